using System.Net;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Invocations;

namespace Stint.Cluster.Cache;

/// <summary>Where a worker's code and secrets come from: its gateways. Nothing that they send is used before its hash has been verified.</summary>
/// <param name="cores">The gateways.</param>
internal sealed class CodeSupply(CoreLinks cores)
{
    /// <summary>Writes a version's folder to one that is not there yet; its size in bytes, as it was sent.</summary>
    /// <exception cref="HttpRequestException">No gateway could be reached.</exception>
    /// <exception cref="NodeRefusedException">None has it.</exception>
    /// <exception cref="InvalidDataException">What one sent is something else.</exception>
    /// <exception cref="IOException">The disk is full, for instance.</exception>
    public Task<long> FetchAsync(FunctionName function, string hash, string target, CancellationToken cancellationToken) => cores.AskAsync(async (link, cancelled) =>
    {
        // What another gateway sent before it broke off.
        if (Directory.Exists(target)) Functions.Bundles.CodeTree.Delete(target);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(link.Base, WorkerPaths.Code)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TryAddWithoutValidation(NodeHeaders.Protocol, NodeHeaders.Version);
        request.Headers.TryAddWithoutValidation(NodeHeaders.Function, function.ToString());
        request.Headers.TryAddWithoutValidation(NodeHeaders.Hash, hash);
        using var response = await link.SendAsync(request, cancelled).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await using var body = await response.Content.ReadAsStreamAsync(cancelled).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.OK) throw await NodeDialogue.RefusedAsync(response, body, cancelled).ConfigureAwait(false);
        await using var sent = new SentFolder(body);
        try
        {
            await FolderArchive.UnpackAsync(sent, target, cancelled).ConfigureAwait(false);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"what {cores.Shown} sent of {function} is no function's folder: {e.Message}", e);
        }
        if (await sent.EndAsync(cancelled).ConfigureAwait(false) != hash) throw new InvalidDataException($"what {cores.Shown} sent of {function} does not have the hash it was asked for by");
        return sent.Count;
    }, cancellationToken);

    /// <summary>The secrets that a function names.</summary>
    /// <inheritdoc cref="FetchAsync"/>
    public Task<SecretsAnswer> SecretsAsync(FunctionName function, CancellationToken cancellationToken) => cores.AskAsync((link, cancelled) =>
        NodeDialogue.AskAsync(link, WorkerPaths.Secrets, new SecretsQuestion(function.ToString()), NodeMessages.Default.SecretsQuestion, NodeMessages.Default.SecretsAnswer, cancelled), cancellationToken);

    /// <summary>What of the cache is still deployed.</summary>
    /// <inheritdoc cref="FetchAsync"/>
    public Task<CacheAnswer> CompareAsync(IReadOnlyList<CachedVersion> versions, CancellationToken cancellationToken) => cores.AskAsync((link, cancelled) =>
        NodeDialogue.AskAsync(link, WorkerPaths.Cache, new CacheQuestion(versions), NodeMessages.Default.CacheQuestion, NodeMessages.Default.CacheAnswer, cancelled), cancellationToken);

    /// <summary>What a gateway sends. Each read ends on a thread of the pool: files are written next.</summary>
    private sealed class SentFolder(Stream sent) : HashedStream
    {
        protected override async ValueTask<int> ReadPieceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            try
            {
                return await sent.ReadAsync(buffer, cancellationToken).AsTask().ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }
            catch (IOException e)
            {
                throw new HttpRequestException($"the gateway broke off: {e.Message}", e);
            }
        }
    }
}
