using System.Buffers;
using Microsoft.AspNetCore.Http.Features;
using Stint.Cluster.Cache;
using Stint.Cluster.Mirrors;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Functions;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Dispatch;

/// <summary>What a gateway's desk needs.</summary>
/// <param name="Name">This gateway's name.</param>
/// <param name="Directory">The workers.</param>
/// <param name="Mirror">The copy of the store.</param>
/// <param name="Secrets">The copy's secrets.</param>
/// <param name="Find">What a deployed function specifies; null when there is none of that name.</param>
/// <param name="Credentials">This machine.</param>
internal sealed record GatewayDeskParts(string Name, WorkerDirectory Directory, StoreMirror Mirror, SecretStore Secrets, Func<FunctionName, FunctionSpec?> Find, NodeCredentials Credentials);

/// <summary>A gateway's answers to workers: takes reports, gives code and secrets. While the store is away it gives what is in its copy.</summary>
/// <param name="parts">What it works with.</param>
/// <param name="logger">Log.</param>
internal sealed class GatewayDesk(GatewayDeskParts parts, ILogger<GatewayDesk> logger)
{
    // Of a machine with thousands of functions; it goes through the store every second.
    private const int MaxReport = 1024 * 1024;

    /// <summary>What it answers.</summary>
    public IEnumerable<KeyValuePair<string, NodeHandler>> Handlers =>
    [
        new(WorkerPaths.Report, request => NodeAnswers.AnswerAsync(request, ReportAsync, logger)),
        new(WorkerPaths.Code, request => NodeAnswers.AnswerAsync(request, CodeAsync, logger)),
        new(WorkerPaths.Secrets, request => NodeAnswers.AnswerAsync(request, SecretsAsync, logger)),
        new(WorkerPaths.Cache, request => NodeAnswers.AnswerAsync(request, CacheAsync, logger)),
        new(WorkerPaths.Ping, request => NodeAnswers.AnswerAsync(request, NodeDialogue.PongAsync, logger)),
    ];

    /// <summary>A function's version in the store's numbers; null when the copy has none.</summary>
    public CodeVersion? VersionOf(FunctionName name, FunctionSpec spec) =>
        parts.Mirror.Find(name) is { } entry ? new CodeVersion(entry.Hash, entry.Change, parts.Mirror.SecretsChange(name.Module, spec.Secrets)) : null;

    private async Task ReportAsync(NodeRequest request)
    {
        var report = await NodeDialogue.ReadAsync(request, NodeMessages.Default.WorkerReport).ConfigureAwait(false);
        if (report.Instance is not { Length: > 0 and <= 64 } || report.Addresses.Length > 1024 || report.Report.Length > MaxReport || report.Labels.Count > 64 || report.Labels.Sum(static label => label.Key.Length + label.Value.Length) > MaxReport) throw new NodeProtocolException("something in the report is empty or too long");
        if (!report.IsLeaving && NodeAddress.ParseList(report.Addresses).Count == 0) throw new NodeRefusedException(StatusCodes.Status400BadRequest, $"'{report.Addresses}' is no address where this worker could be reached; give one with --node-address: {NodeAddress.Rule}");
        var (isDraining, isTaken) = await parts.Directory.ReportAsync(request.Node, request.Key, report, request.Aborted).ConfigureAwait(false);
        await NodeDialogue.WriteAsync(request, new ReportAnswer(parts.Name, isDraining, isTaken, [.. parts.Credentials.Revoked]), NodeMessages.Default.ReportAnswer).ConfigureAwait(false);
    }

    private async Task CodeAsync(NodeRequest request)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        if (!FunctionName.TryParse(request.Headers[NodeHeaders.Function], out var function) || request.Headers[NodeHeaders.Hash] is not [{ } hash] || !CodeVersion.IsHash(hash)) throw new NodeProtocolException("the function's name or hash is none");
        await using Stream content = parts.Mirror.FolderOf(function, hash) is { } folder ? new FolderArchiveReader(folder) : parts.Mirror.Store.Blobs.Open(hash);
        var output = request.Context.GetRequiredFeature<IHttpResponseBodyFeature>().Writer;
        var buffer = ArrayPool<byte>.Shared.Rent(256 * 1024);
        try
        {
            // The first piece before the head: a blob that is not there is said, not broken off.
            var read = await content.ReadAsync(buffer, request.Aborted).ConfigureAwait(false);
            if (read == 0) throw new NodeRefusedException(StatusCodes.Status404NotFound, $"there is no version {hash[..12]} of {function} here, nor in the store");
            var response = request.Context.GetRequiredFeature<IHttpResponseFeature>();
            response.Headers[NodeHeaders.Protocol] = NodeHeaders.Version;
            for (; read > 0; read = await content.ReadAsync(buffer, request.Aborted).ConfigureAwait(false))
                await output.WriteAsync(buffer.AsMemory(0, read), request.Aborted).AsTask().ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task SecretsAsync(NodeRequest request)
    {
        var question = await NodeDialogue.ReadAsync(request, NodeMessages.Default.SecretsQuestion).ConfigureAwait(false);
        if (!FunctionName.TryParse(question.Function, out var function) || parts.Find(function) is not { } spec) throw new NodeRefusedException(StatusCodes.Status404NotFound, "there is no such function here");
        // The number first: a value that is newer than its number is fetched once more, one that is older never would be.
        var change = parts.Mirror.SecretsChange(function.Module, spec.Secrets);
        var values = spec.Secrets.ToDictionary(static name => name, name => parts.Secrets.Read(function.Module, name));
        await NodeDialogue.WriteAsync(request, new SecretsAnswer(change, values), NodeMessages.Default.SecretsAnswer).ConfigureAwait(false);
    }

    private async Task CacheAsync(NodeRequest request)
    {
        var question = await NodeDialogue.ReadAsync(request, NodeMessages.Default.CacheQuestion).ConfigureAwait(false);
        var gone = new List<string>();
        var newer = new List<CachedVersion>();
        // A copy that was never complete knows of nothing that it is gone.
        if (parts.Mirror.Position is { } position)
        {
            foreach (var version in question.Versions)
            {
                if (!FunctionName.TryParse(version.Function, out var name)) continue;
                if (parts.Mirror.Find(name) is not { } entry || version.Change > position.Change) gone.Add(version.Function);
                else if (entry.Hash != version.Hash && entry.Change > version.Change && parts.Find(name) is { } spec) newer.Add(new CachedVersion(version.Function, entry.Hash, entry.Change, parts.Mirror.SecretsChange(name.Module, spec.Secrets)));
            }
        }
        await NodeDialogue.WriteAsync(request, new CacheAnswer(gone, newer), NodeMessages.Default.CacheAnswer).ConfigureAwait(false);
    }
}
