using System.Security.Cryptography;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Protocol;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>
/// A runtime with no function in it: a folder with a socket on which we listen, and the process within its walls, or as yet only the walls. It becomes an instance by a LOAD frame, once.
/// </summary>
internal sealed class BlankRuntime : IAsyncDisposable
{
    private readonly IRuntimeLauncher _launcher;
    private readonly RuntimeKey _key;
    private readonly string _code;
    private readonly TimeProvider _time;
    private FunctionName? _function;
    private InstanceOutput? _output;
    private Handshake? _handshake;

    /// <summary>Prepares one; nothing is made yet.</summary>
    /// <param name="launcher">Where it will run.</param>
    /// <param name="runFolder">The folder for instances' folders.</param>
    /// <param name="key">What is fixed from the start.</param>
    /// <param name="code">The folder of the host that it sees as its code.</param>
    /// <param name="time">For limits.</param>
    public BlankRuntime(IRuntimeLauncher launcher, string runFolder, RuntimeKey key, string code, TimeProvider time)
    {
        (_launcher, _key, _code, _time) = (launcher, key, code, time);
        var id = RandomNumberGenerator.GetHexString(RunFolder.NameDigits, lowercase: true);
        Resources = new InstanceResources(id, Path.Combine(runFolder, id));
    }

    /// <summary>What it holds of the host; the instance's when it has become one.</summary>
    public InstanceResources Resources { get; }

    /// <summary>The conversation so far.</summary>
    public Handshake Handshake => _handshake ?? throw new InvalidOperationException("the runtime has not been started");

    /// <summary>What it sees of secrets, from the beginning: set before anything is made. Null = none.</summary>
    public string? Secrets { get; private set; }

    /// <summary>Whether it is still there.</summary>
    public bool IsAlive => Resources.Process is { Exited.IsCompleted: false };

    /// <summary>Makes it a function's: its output goes to the function's log from now on.</summary>
    public InstanceOutput Attach(FunctionName function, FunctionLogs logs, int tailLines)
    {
        var output = new InstanceOutput(function, Resources.Id, logs, tailLines);
        Volatile.Write(ref _output, output);
        _function = function;
        Resources.Process?.BelongsTo(function);
        return output;
    }

    /// <summary>Gives it copies of a version's secrets, which go with it. Before anything else is made of it.</summary>
    /// <exception cref="InstanceStartException">There is no such secret.</exception>
    public void Give(FunctionSecrets secrets, FunctionVersion version) => Secrets = secrets.Copy(version, Resources.Folder, HostPrograms.TraversableFolder);

    /// <summary>Makes everything but the runtime itself: walls, limits, the socket to which it will connect.</summary>
    /// <exception cref="InstanceStartException">It cannot be made. Dispose of it.</exception>
    public async Task PrepareAsync(InstanceLimits limits, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Resources.Listener = RuntimeSocket.Listen(Resources.Folder);
        Resources.Process = _launcher.Create(new RuntimePlan { Id = Resources.Id, Function = _function, Key = _key, Code = _code, SocketFolder = Resources.Folder, Secrets = Secrets, Limits = limits, Output = Take });
        await WithinAsync(timeout, Resources.Process.PrepareAsync, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Brings it up with these limits, from wherever it is: nothing made, prepared, or up already. Each stage has the whole time.</summary>
    /// <exception cref="InstanceStartException">It did not get up. Dispose of it.</exception>
    public async Task StartAsync(InstanceLimits limits, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (Resources.Process is null) await PrepareAsync(limits, timeout, cancellationToken).ConfigureAwait(false);
        else await Resources.Process.SetLimitsAsync(limits, cancellationToken).ConfigureAwait(false);
        if (_handshake is not null) return;
        await WithinAsync(timeout, Resources.Process!.StartAsync, cancellationToken).ConfigureAwait(false);
        _handshake = new Handshake(Resources.Listener!, Resources.Process.Exited, _time);
        await _handshake.GreetAsync(timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Nobody else can connect from now on.</summary>
    public void CloseDoor()
    {
        Resources.Listener?.Dispose();
        File.Delete(SocketPath);
    }

    /// <summary>Kills it and frees all that it held.</summary>
    public async ValueTask DisposeAsync()
    {
        _handshake?.Dispose();
        Resources.Process?.Kill();
        await Resources.ReleaseAsync().ConfigureAwait(false);
    }

    private async Task WithinAsync(TimeSpan timeout, Func<CancellationToken, Task> stage, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await stage(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException late) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InstanceStartException(Handshake.NotReady(timeout), late);
        }
    }

    private string SocketPath => RuntimeSocket.PathIn(Resources.Folder);

    private void Take(OutputStream stream, ReadOnlySpan<byte> piece) => Volatile.Read(ref _output)?.Take(stream, piece);
}
