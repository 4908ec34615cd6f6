// Starts an instance within walls of its own, a sandbox or a container:
//
//   1. a blank runtime: a warm spare or at least an empty sandbox that is waiting already (Spares.cs), else a new one (BlankRuntime.cs)
//   2. LOAD names the code's folder and the environment; the runtime opens the other connections, loads the code, says READY (Protocol/Handshake.cs)
//   3. the socket's path is removed: nobody else can connect
//
// Whatever fails, everything made so far is freed and the error says what happened, with the last lines that the function printed.
using System.ComponentModel;
using System.Net.Sockets;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Protocol;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>Runs functions as processes that speak the runtime interface, each in a sandbox or a container.</summary>
/// <param name="launcher">Where instances run.</param>
/// <param name="spares">Runtimes that wait for a function.</param>
/// <param name="holdBundle">Keeps a version's code on disk until the result is disposed of.</param>
/// <param name="secrets">Where functions' secrets come from.</param>
/// <param name="logs">Where output goes.</param>
/// <param name="time">For limits and waits.</param>
/// <param name="logger">For what an operator should know.</param>
internal sealed partial class ProcessBackend(
    IRuntimeLauncher launcher, Spares spares, Func<string, IDisposable> holdBundle, FunctionSecrets secrets, FunctionLogs logs, TimeProvider time, ILogger<ProcessBackend> logger) : IBackend
{
    private const int TailLines = 10;

    /// <summary>Has spares made ready for a version that will be called.</summary>
    public void Expect(FunctionVersion version)
    {
        if (launcher.Refusal is null && version.Spec.Process is { } spec) spares.Expect(async cancellationToken => RuntimeKey.Of(spec, await launcher.ResolveAsync(spec.Network, cancellationToken).ConfigureAwait(false)));
    }

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        if (launcher.Refusal is { } refusal) throw new InstanceStartException(refusal) { IsHostsFault = true };
        var spec = version.Spec.Process ?? throw new InstanceStartException($"{version.Name} is not a process function");
        var key = RuntimeKey.Of(spec, await launcher.ResolveAsync(spec.Network, cancellationToken).ConfigureAwait(false));
        BlankRuntime? blank = null;
        InstanceOutput? output = null;
        try
        {
            await launcher.ReadyAsync(key.Runtime, cancellationToken).ConfigureAwait(false);
            // What a sandbox sees is settled when it is made, so one that waits already has no secrets.
            var hasSecrets = version.Spec.Secrets.Count > 0;
            blank = (hasSecrets ? null : spares.TryTake(key, version.Folder!)) ?? spares.Create(key, version.Folder!);
            if (hasSecrets) Give(blank, version);
            output = blank.Attach(version.Name, logs, TailLines);
            await blank.StartAsync(Limits(spec), version.Spec.BootTimeout, cancellationToken).ConfigureAwait(false);
            return await LoadAsync(blank, version, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or SocketException or Win32Exception or UnauthorizedAccessException)
        {
            var outOfMemory = blank?.Resources.Process is { } process && await process.RanOutOfMemoryAsync().ConfigureAwait(false);
            if (blank is not null) await blank.DisposeAsync().ConfigureAwait(false);
            var text = outOfMemory ? $"the instance ran out of memory (limit {spec.MemoryMiB} MiB) while it started" : failure.Message;
            throw new InstanceStartException(output?.WithTail(text) ?? text, failure) { IsHostsFault = failure is InstanceStartException { IsHostsFault: true } or Win32Exception };
        }
        catch (OperationCanceledException)
        {
            if (blank is not null) await blank.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            // Only now, so that making the next spare takes no processor time from this start.
            spares.Expect(key);
        }
    }

    private void Give(BlankRuntime blank, FunctionVersion version)
    {
        if (!launcher.HasOwnView)
            throw new InstanceStartException($"{version.Name} names secrets, and without a sandbox (--isolation none) there is no place where it alone could read them") { IsHostsFault = true };
        blank.Give(secrets, version);
    }

    private async Task<IInstance> LoadAsync(BlankRuntime blank, FunctionVersion version, CancellationToken cancellationToken)
    {
        blank.Resources.Bundle = holdBundle(version.Folder!);
        var folder = launcher.HasOwnView ? SandboxPaths.Code : version.Folder!;
        var load = FrameWriter.Load(folder, version.Spec.ConcurrentRequests, version.Spec.Env);
        var connections = await blank.Handshake.LoadAsync(load, version.Spec.ConcurrentRequests, version.Spec.BootTimeout, cancellationToken).ConfigureAwait(false);
        blank.CloseDoor();
        var instance = new ProcessInstance(version, blank.Resources, time, text => Leftover(logger, text));
        instance.Serve(connections);
        return instance;
    }

    private static InstanceLimits Limits(ProcessSpec spec) => new(spec.MemoryMiB * 1024L * 1024L, spec.Pids, spec.Cpus);

    [LoggerMessage(201, LogLevel.Error, "left behind: {Problem}")]
    private static partial void Leftover(ILogger logger, string problem);
}
