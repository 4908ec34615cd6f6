namespace Stint.Backends.Containers.Engine;

/// <summary>Calls about containers.</summary>
internal sealed class ContainerCalls(EngineTransport transport)
{
    /// <summary>Makes a container, which does not run yet. When the call is cancelled or breaks off, the engine may have made it all the same: find it by its name or labels.</summary>
    /// <param name="name">Its name; null = the engine makes one up.</param>
    public async Task<CreatedContainer> CreateAsync(string? name, ContainerSettings settings, CancellationToken cancellationToken)
    {
        if (settings.HostConfig?.Runtime is { } runtime && (await transport.VersionAsync(cancellationToken)).IsPodman) await RequireDefaultAsync(runtime, cancellationToken);
        var call = new EngineCall(HttpMethod.Post, new EnginePath("/containers/create").With("name", name).ToString(), "create a container of", settings.Image)
        {
            Body = EngineCall.Json(settings, EngineJson.Default.ContainerSettings), Limit = EngineLimits.Change, NotFound = EngineFault.NoImage,
        };
        return await transport.AskAsync(call, EngineJson.Default.CreatedContainer, cancellationToken);
    }

    /// <summary>Starts it; nothing happens when it runs.</summary>
    public Task StartAsync(string id, CancellationToken cancellationToken) =>
        transport.DoAsync(Of(HttpMethod.Post, id, "/start", "start the container") with { Limit = EngineLimits.Change, IsIdempotent = true }, cancellationToken);

    /// <summary>All that is known of it.</summary>
    public Task<ContainerDetails> InspectAsync(string id, CancellationToken cancellationToken) =>
        transport.AskAsync(Of(HttpMethod.Get, id, "/json", "look at the container"), EngineJson.Default.ContainerDetails, cancellationToken);

    /// <summary>Sends a signal to its first process.</summary>
    /// <param name="signal"><c>SIGINT</c>, <c>SIGKILL</c>, …</param>
    /// <returns>False = it does not run, or is gone.</returns>
    public Task<bool> KillAsync(string id, string signal, CancellationToken cancellationToken) => TryAsync(
        transport.DoAsync(Of(HttpMethod.Post, id, $"/kill?signal={Uri.EscapeDataString(signal)}", "signal the container"), cancellationToken), EngineFault.NoContainer, EngineFault.Conflict);

    /// <summary>Stops it with its own stop signal, and kills it when it has not ended in time.</summary>
    /// <param name="grace">In between; whole seconds.</param>
    /// <returns>False = it is gone.</returns>
    public Task<bool> StopAsync(string id, TimeSpan grace, CancellationToken cancellationToken) => TryAsync(
        transport.DoAsync(
            Of(HttpMethod.Post, id, $"/stop?t={(int)Math.Ceiling(grace.TotalSeconds)}", "stop the container") with { Limit = EngineLimits.Change + grace, IsIdempotent = true }, cancellationToken),
        EngineFault.NoContainer);

    /// <summary>Removes it with its anonymous volumes, killing it when it runs.</summary>
    /// <returns>False = it was gone, or somebody else is removing it.</returns>
    public Task<bool> RemoveAsync(string id, CancellationToken cancellationToken) => TryAsync(
        transport.DoAsync(
            new(HttpMethod.Delete, $"/containers/{EngineText.Id(id)}?force=true&v=true", "remove the container", id) { Limit = EngineLimits.Change, NotFound = EngineFault.NoContainer }, cancellationToken),
        EngineFault.NoContainer, EngineFault.Conflict);

    /// <summary>All containers, running or not.</summary>
    /// <param name="filters">Only these; null = all.</param>
    public Task<IReadOnlyList<ContainerSummary>> ListAsync(EngineFilters? filters, CancellationToken cancellationToken) => transport.AskAsync(
        new(HttpMethod.Get, new EnginePath("/containers/json").With("all", true).With("filters", filters).ToString(), "list containers"), EngineJson.Default.IReadOnlyListContainerSummary, cancellationToken);

    /// <summary>Changes limits, of one that runs as well.</summary>
    public Task UpdateAsync(string id, LimitSettings limits, CancellationToken cancellationToken) => transport.DoAsync(
        Of(HttpMethod.Post, id, "/update", "change the limits of the container") with { Body = EngineCall.Json(limits, EngineJson.Default.LimitSettings), Limit = EngineLimits.Change }, cancellationToken);

    /// <summary>Gives it another name.</summary>
    public Task RenameAsync(string id, string name, CancellationToken cancellationToken) =>
        transport.DoAsync(Of(HttpMethod.Post, id, $"/rename?name={EngineText.Id(name)}", "rename the container"), cancellationToken);

    /// <summary>Waits until it does not run.</summary>
    /// <returns>The exit code of its first process.</returns>
    public async Task<long> WaitAsync(string id, CancellationToken cancellationToken) =>
        (await transport.AskAsync(Of(HttpMethod.Post, id, "/wait", "wait for the container") with { Limit = Timeout.InfiniteTimeSpan }, EngineJson.Default.WaitAnswer, cancellationToken)).StatusCode;

    /// <summary>Its output. A container that does not run yet has none, and following it ends at once. At Podman this waits for the first line of it.</summary>
    public async Task<OutputReader> OpenLogsAsync(string id, LogsQuery query, CancellationToken cancellationToken)
    {
        var path = new EnginePath("/logs").With("stdout", true).With("stderr", true).With("follow", query.Follow).With("timestamps", query.Timestamps)
            .With("since", query.Since is { } since ? EngineTime.Format(since) : null).With("tail", query.Tail);
        // Podman begins its answer with the first line that the container writes, and some are silent.
        var call = Of(HttpMethod.Get, id, path.ToString(), "read the output of") with { Limit = query.Follow ? Timeout.InfiniteTimeSpan : EngineLimits.Question };
        return new OutputReader(await transport.OpenAsync(call, cancellationToken), query.IsTerminal);
    }

    /// <summary>What it uses now; zeros when it does not run.</summary>
    public Task<ContainerStatistics> ReadStatisticsAsync(string id, CancellationToken cancellationToken) =>
        transport.AskAsync(Of(HttpMethod.Get, id, "/stats?stream=false&one-shot=true", "measure the container"), EngineJson.Default.ContainerStatistics, cancellationToken, whenEmpty: new ContainerStatistics());

    /// <summary>Runs a command in it to its end.</summary>
    /// <param name="onOutput">Takes each piece of output, whose bytes it must not keep.</param>
    /// <returns>The command's exit code.</returns>
    public async Task<int> ExecAsync(string id, ExecSettings settings, Action<OutputPiece> onOutput, CancellationToken cancellationToken)
    {
        var made = await transport.AskAsync(
            Of(HttpMethod.Post, id, "/exec", "run a command in the container") with { Body = EngineCall.Json(settings, EngineJson.Default.ExecSettings) }, EngineJson.Default.CreatedExec, cancellationToken);
        var start = new EngineCall(HttpMethod.Post, $"/exec/{EngineText.Id(made.Id)}/start", "run a command in the container", id)
        {
            Body = EngineCall.Json(new ExecStart(Detach: false), EngineJson.Default.ExecStart), Limit = EngineLimits.Change, NotFound = EngineFault.NoContainer,
        };
        await using (var output = new OutputReader(await transport.OpenAsync(start, cancellationToken), isTerminal: false))
        {
            while (await output.ReadAsync(cancellationToken) is { } piece) onOutput(piece);
        }
        var end = await transport.AskAsync(
            new(HttpMethod.Get, $"/exec/{EngineText.Id(made.Id)}/json", "run a command in the container", id) { NotFound = EngineFault.NoContainer }, EngineJson.Default.ExecDetails, cancellationToken);
        return end.ExitCode ?? throw new EngineException(EngineFault.BrokeOff, $"the command in the container {EngineText.Short(id)} goes on, and its output has ended.");
    }

    // Podman takes the runtime of a container through this API and makes it with its own default all the same: who asked for gVisor would get none of its protection.
    private async Task RequireDefaultAsync(string runtime, CancellationToken cancellationToken)
    {
        var info = await transport.AskAsync(new(HttpMethod.Get, "/info", "describe itself"), EngineJson.Default.EngineInfo, cancellationToken);
        if (info.DefaultRuntime == runtime) return;
        throw new EngineException(EngineFault.NoRuntime,
            $"Podman runs all containers that are made through this API with its default runtime, which is {EngineText.Quote(info.DefaultRuntime ?? "unknown")}, and not with {EngineText.Quote(runtime)}. Make that its default (\"runtime\" under [engine] in containers.conf), or use Docker Engine.");
    }

    private static EngineCall Of(HttpMethod method, string id, string rest, string verb) => new(method, $"/containers/{EngineText.Id(id)}{rest}", verb, id) { NotFound = EngineFault.NoContainer };

    private static async Task<bool> TryAsync(Task call, params EngineFault[] harmless)
    {
        try
        {
            await call;
            return true;
        }
        catch (EngineException failure) when (harmless.Contains(failure.Fault))
        {
            return false;
        }
    }
}

/// <summary>Which output of a container.</summary>
internal readonly record struct LogsQuery
{
    /// <summary>What comes later as well, until the container ends.</summary>
    public bool Follow { get; init; }

    /// <summary>Each message begins with its moment and a space.</summary>
    public bool Timestamps { get; init; }

    /// <summary>Only what is not older: nanoseconds since 1970 by the engine's clock.</summary>
    public long? Since { get; init; }

    /// <summary>Of the past at most so many lines.</summary>
    public int? Tail { get; init; }

    /// <summary>The container has a terminal: its output is not divided.</summary>
    public bool IsTerminal { get; init; }
}
