// The images of which containers of process functions are made: one for each runtime, base image + our own runtime, named by what is in it:
//
//   stint/python3:0123456789ab  =  FROM the base image  +  /stint/runtimes/python3        (the digits: of base, runtime files and daemon)
//
// A function's code is no part of it (tinyFaaS makes an image for each function): it is mounted from its bundle, so that a deployment costs no image and a blank container fits every function.
using System.Security.Cryptography;
using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.Functions;

namespace Stint.Backends.Containers.Images;

/// <summary>Makes and finds the runtimes' images. Whoever asks for one that is being made waits for it.</summary>
/// <param name="engine">Where.</param>
/// <param name="settings">Which base images.</param>
/// <param name="time">For waits.</param>
/// <param name="logger">Told when an image is made.</param>
internal sealed partial class RuntimeImages(EngineClient engine, RuntimeImageSettings settings, TimeProvider time, ILogger<RuntimeImages> logger) : IAsyncDisposable
{
    /// <summary>Where the runtimes lie in the image.</summary>
    public const string Runtimes = "/stint/runtimes";

    // How long an image that was just looked at needs no second look.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<Runtime, (Task<RuntimeImage> Task, long Since)> _latest = [];

    /// <summary>Whether the runtime's image has been there.</summary>
    public bool Knows(Runtime runtime)
    {
        lock (_lock) return _latest.TryGetValue(runtime, out var latest) && latest.Task.IsCompletedSuccessfully;
    }

    /// <summary>The runtime's image, made if need be; that takes seconds, and goes on when the caller has given up.</summary>
    /// <exception cref="EngineException">The engine does not do it.</exception>
    /// <exception cref="IOException">There is no base image, and none can be made; the message says what to do.</exception>
    public async Task<RuntimeImage> GetAsync(Runtime runtime, CancellationToken cancellationToken)
    {
        Task<RuntimeImage> task;
        lock (_lock)
        {
            if (!_latest.TryGetValue(runtime, out var latest) || latest.Task.IsFaulted || latest.Task.IsCanceled || latest.Task.IsCompleted && time.GetElapsedTime(latest.Since) >= Fresh)
                latest = _latest[runtime] = (Task.Run(() => EnsureAsync(runtime, _stop.Token), CancellationToken.None), time.GetTimestamp());
            task = latest.Task;
        }
        return await task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Told that an image that was there is not there any more.</summary>
    public void Forget(Runtime runtime)
    {
        lock (_lock) _latest.Remove(runtime);
    }

    /// <summary>Removes the images, but for base images: those take longer to make, and are as good as the operator's.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] running;
        lock (_lock) running = [.. _latest.Values.Select(static latest => latest.Task)];
        foreach (var task in running) await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        if (running.Length == 0) return;
        using var limit = new CancellationTokenSource(RemovalLimit, time);
        try
        {
            await RemoveAsync("stint/", butFor: null, limit.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is EngineException or OperationCanceledException)
        {
            // The next start uses them.
        }
    }

    private async Task<RuntimeImage> EnsureAsync(Runtime runtime, CancellationToken cancellationToken)
    {
        var baseId = await EnsureBaseAsync(runtime, cancellationToken).ConfigureAwait(false);
        var content = SHA256.HashData(Encoding.UTF8.GetBytes($"{settings.Daemon}\n{baseId}\n{Path.GetFileName(settings.RuntimesFolder)}"));
        var name = ImageName.OfRuntime(runtime, Convert.ToHexStringLower(content)[..12]);
        if (await FindAsync(name, cancellationToken).ConfigureAwait(false) is not { } id)
        {
            if (settings.Bases.TryGetValue(runtime, out var named)) await RequireInterpreterAsync(runtime, named, cancellationToken).ConfigureAwait(false);
            id = await BuildAsync(runtime, name, baseId, cancellationToken).ConfigureAwait(false);
        }
        return new RuntimeImage(name, id, baseId);
    }

    private async Task<string> EnsureBaseAsync(Runtime runtime, CancellationToken cancellationToken)
    {
        var word = ImageName.WordOf(runtime);
        var isOurs = !settings.Bases.TryGetValue(runtime, out var name);
        name ??= ImageName.OfBase(runtime);
        if (await FindAsync(name, cancellationToken).ConfigureAwait(false) is { } id) return id;
        if (!isOurs)
            throw new IOException($"the container engine has no image {name}, the base image of {word} (docker-base). Put it there (docker pull, docker load, stint image import), or leave it out of docker-base, then one is made of this host's own {word}");
        MakesBase(logger, name);
        try
        {
            // As if the operator had made it by a command: it stays when the daemon goes.
            var image = await new BaseImages(engine, time).FromHostAsync(
                runtime, runtime == Runtime.NodeJs ? settings.NodeJs : settings.Python3, name, ImageLabels.Of(ImageLabels.Base), static _ => { }, cancellationToken).ConfigureAwait(false);
            MadeBase(logger, name, image.Version);
            return image.Id;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"there is no base image of {word}, and none can be made of this host's files: {failure.Message}. Name one in docker-base, or make {name}: stint image build {word} --from debootstrap", failure);
        }
    }

    // Else it would be found out by an instance that does not get ready, which says less.
    private async Task RequireInterpreterAsync(Runtime runtime, string named, CancellationToken cancellationToken)
    {
        try
        {
            await new BaseImages(engine, time).TryAsync(runtime, named, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException unfit)
        {
            throw new IOException($"{named}, the base image of {ImageName.WordOf(runtime)} (docker-base), is unfit: {unfit.Message}. Name another, or make one: stint image build {ImageName.WordOf(runtime)}", unfit);
        }
    }

    private async Task<string> BuildAsync(Runtime runtime, string name, string baseId, CancellationToken cancellationToken)
    {
        var word = ImageName.WordOf(runtime);
        // One step: each costs the engine a container.
        var dockerfile = $"FROM {baseId}\nCOPY {word} {Runtimes}/{word}\n";
        var context = Dockerfile.With(dockerfile, [(word, Path.Combine(settings.RuntimesFolder, word))], cancellationToken);
        var id = await engine.Images.BuildAsync(context, new BuildSettings { Tags = [name], Labels = Labels() }, static _ => { }, cancellationToken).ConfigureAwait(false);
        Made(logger, name);
        // Those on an older base or with older runtime files; what a container still needs stays until the next time.
        await RemoveAsync(ImageName.OfRuntime(runtime, ""), name, cancellationToken).ConfigureAwait(false);
        return id;
    }

    /// <summary>Removes this daemon's images whose names begin so, but for one.</summary>
    private async Task RemoveAsync(string prefix, string? butFor, CancellationToken cancellationToken)
    {
        foreach (var image in await engine.Images.ListAsync(EngineFilters.Label(ContainerLabels.Daemon, settings.Daemon).AndLabel(ImageLabels.Kind, ImageLabels.Runtime), cancellationToken).ConfigureAwait(false))
        {
            foreach (var name in image.RepoTags.Where(name => name != butFor && name.StartsWith(prefix, StringComparison.Ordinal)))
            {
                try
                {
                    await engine.Images.RemoveAsync(name, force: false, cancellationToken).ConfigureAwait(false);
                }
                catch (EngineException used) when (!used.IsEngineAway)
                {
                    // a container needs it
                }
            }
        }
    }

    private async Task<string?> FindAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return (await engine.Images.InspectAsync(name, cancellationToken).ConfigureAwait(false)).Id;
        }
        catch (EngineException none) when (none.Fault is EngineFault.NoImage)
        {
            return null;
        }
    }

    private Dictionary<string, string> Labels()
    {
        var labels = ContainerLabels.Of(settings.Daemon, ContainerLabels.RuntimeRole);
        labels[ImageLabels.Kind] = ImageLabels.Runtime;
        return labels;
    }

    [LoggerMessage(230, LogLevel.Information, "making the image {Image} of this host's own files, once; functions wait for it")]
    private static partial void MakesBase(ILogger logger, string image);

    [LoggerMessage(231, LogLevel.Information, "made the image {Image}: {Version}")]
    private static partial void MadeBase(ILogger logger, string image, string version);

    [LoggerMessage(232, LogLevel.Information, "made the image {Image}")]
    private static partial void Made(ILogger logger, string image);
}

/// <summary>What runtimes' images are made of.</summary>
internal sealed record RuntimeImageSettings
{
    /// <summary>The base images that the operator named.</summary>
    public required IReadOnlyDictionary<Runtime, string> Bases { get; init; }

    /// <summary>The host's folder of our runtimes, which is named by their content.</summary>
    public required string RuntimesFolder { get; init; }

    /// <summary>The daemon, for labels.</summary>
    public required string Daemon { get; init; }

    /// <summary>The host's Python interpreter, for a base image of the host's files; null = the usual one.</summary>
    public string? Python3 { get; init; }

    /// <summary>The host's Node.js interpreter, likewise.</summary>
    public string? NodeJs { get; init; }
}

/// <summary>The image of a runtime.</summary>
/// <param name="Name">Name and tag.</param>
/// <param name="Id">Id.</param>
/// <param name="BaseId">Id of its base image.</param>
internal sealed record RuntimeImage(string Name, string Id, string BaseId);
