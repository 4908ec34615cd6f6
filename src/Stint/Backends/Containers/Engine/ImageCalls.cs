namespace Stint.Backends.Containers.Engine;

/// <summary>Calls about images. Those that send an archive have no time limit of their own: the caller's token ends them.</summary>
internal sealed class ImageCalls(EngineTransport transport)
{
    /// <summary>All that is known of it; <see cref="EngineFault.NoImage"/> when there is none.</summary>
    /// <param name="name">Name with tag, or id.</param>
    public Task<ImageDetails> InspectAsync(string name, CancellationToken cancellationToken) =>
        transport.AskAsync(Of(HttpMethod.Get, name, "/json", "look at the image"), EngineJson.Default.ImageDetails, cancellationToken);

    /// <summary>Images.</summary>
    /// <param name="filters">Only these; null = all.</param>
    public Task<IReadOnlyList<ImageSummary>> ListAsync(EngineFilters? filters, CancellationToken cancellationToken) =>
        transport.AskAsync(new(HttpMethod.Get, new EnginePath("/images/json").With("filters", filters).ToString(), "list images"), EngineJson.Default.IReadOnlyListImageSummary, cancellationToken);

    /// <summary>Gives it a further name.</summary>
    /// <param name="repository">Without the tag.</param>
    public Task TagAsync(string name, string repository, string tag, CancellationToken cancellationToken) =>
        transport.DoAsync(Of(HttpMethod.Post, name, new EnginePath("/tag").With("repo", repository).With("tag", tag).ToString(), "tag the image"), cancellationToken);

    /// <summary>Takes away a name, and the image when it was its last. <see cref="EngineFault.Conflict"/> = a container needs it.</summary>
    /// <param name="force">All names of an id, and even though stopped containers need it.</param>
    /// <returns>What went; empty = it was gone.</returns>
    public async Task<IReadOnlyList<RemovedImage>> RemoveAsync(string name, bool force, CancellationToken cancellationToken)
    {
        try
        {
            return await transport.AskAsync(
                Of(HttpMethod.Delete, name, force ? "?force=true" : "", "remove the image") with { Limit = EngineLimits.Change }, EngineJson.Default.IReadOnlyListRemovedImage, cancellationToken);
        }
        catch (EngineException gone) when (gone.Fault is EngineFault.NoImage)
        {
            return [];
        }
    }

    /// <summary>Builds from a Dockerfile.</summary>
    /// <param name="context">A tar archive, also compressed; read once, and disposed of.</param>
    /// <param name="onOutput">Takes what the build prints, in pieces with their line ends.</param>
    /// <returns>The image's id.</returns>
    /// <exception cref="EngineException">Of a step that failed: <see cref="EngineFault.Rejected"/> with the engine's words.</exception>
    public async Task<string> BuildAsync(Stream context, BuildSettings settings, Action<string> onOutput, CancellationToken cancellationToken)
    {
        var path = new EnginePath("/build").With("dockerfile", settings.Dockerfile).With("labels", settings.Labels).With("buildargs", settings.BuildArgs)
            .With("networkmode", settings.NetworkMode).With("nocache", settings.NoCache).With("rm", true).With("forcerm", true);
        foreach (var tag in settings.Tags) path = path.With("t", EngineText.Image(tag));
        var call = Sending(path, context, "build the image", settings.Tags is [var first, ..] ? first : null);
        string? id = null;
        await foreach (var step in RunAsync(call, cancellationToken))
        {
            if (step.Stream is { } text) onOutput(text);
            id = step.Aux?.Id ?? id;
        }
        // Podman names the image only in its last line of output.
        return id ?? (settings.Tags.Count > 0 ? (await InspectAsync(settings.Tags[0], cancellationToken)).Id : "");
    }

    /// <summary>Takes in images that <c>docker save</c> wrote.</summary>
    /// <param name="archive">Read once, and disposed of.</param>
    /// <returns>What the engine says of each, as <c>Loaded image: name:tag</c>.</returns>
    public async Task<IReadOnlyList<string>> LoadAsync(Stream archive, CancellationToken cancellationToken)
    {
        var loaded = new List<string>();
        await foreach (var step in RunAsync(Sending(new EnginePath("/images/load").With("quiet", true), archive, "load an image", null), cancellationToken))
            if (step.Stream?.Trim() is { Length: > 0 } line) loaded.Add(line);
        return loaded;
    }

    /// <summary>Makes an image of one file system.</summary>
    /// <param name="rootfs">A tar archive, also compressed; read once, and disposed of.</param>
    /// <param name="repository">Its name without the tag.</param>
    /// <param name="changes">Lines of a Dockerfile: <c>ENTRYPOINT ["/bin/x"]</c>, <c>LABEL a=b</c>.</param>
    /// <returns>The image's id.</returns>
    public async Task<string> ImportAsync(Stream rootfs, string repository, string tag, IEnumerable<string> changes, CancellationToken cancellationToken)
    {
        // Podman 4.3 takes no notice of the parameter "tag"; both take the name whole.
        var name = EngineText.Image($"{repository}:{tag}");
        var path = new EnginePath("/images/create").With("fromSrc", "-").With("repo", name);
        foreach (var change in changes) path = path.With("changes", change);
        string? id = null;
        await foreach (var step in RunAsync(Sending(path, rootfs, "import the image", name), cancellationToken)) id = step.Status ?? id;
        return id is { } known && known.StartsWith("sha256:", StringComparison.Ordinal) ? known : (await InspectAsync(name, cancellationToken)).Id;
    }

    private async IAsyncEnumerable<BuildProgress> RunAsync(EngineCall call, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stream = await transport.OpenAsync(call, cancellationToken);
        await foreach (var step in stream.ReadObjectsAsync(EngineJson.Default.BuildProgress, cancellationToken))
        {
            if (step.Error is { } error) throw stream.Refused(error);
            yield return step;
        }
    }

    private static EngineCall Sending(EnginePath path, Stream archive, string verb, string? subject) =>
        new(HttpMethod.Post, path.ToString(), verb, subject) { Body = EngineCall.Tar(archive), Limit = Timeout.InfiniteTimeSpan };

    private static EngineCall Of(HttpMethod method, string name, string rest, string verb) => new(method, $"/images/{EngineText.Image(name)}{rest}", verb, name) { NotFound = EngineFault.NoImage };
}
