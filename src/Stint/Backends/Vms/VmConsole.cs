using Stint.Backends.Processes;
using Stint.Backends.Processes.Spawning;
using Stint.Functions.Bundles;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Vms;

/// <summary>
/// What a guest prints on its console: to the function's log, and to <c>log.txt</c> in the instance's folder, where UniFaaS has it. A kernel that panics says so there, and may then stand still for ever.
/// </summary>
internal sealed class VmConsole : IDisposable
{
    // A guest that prints without end must not fill the disk; the function's log has limits of its own.
    private const int MaxFileBytes = 4 << 20;
    private const int TailLines = 15;
    private const string Panic = "Kernel panic - not syncing";

    private readonly Lock _lock = new();
    private readonly InstanceOutput _output;
    private readonly LineSplitter _lines;
    private readonly TaskCompletionSource<string> _panicked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private FileStream? _file;

    /// <param name="function">The function.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="path">The file; nobody but the daemon may have had a chance to put another in its place.</param>
    /// <param name="logs">The functions' logs.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public VmConsole(FunctionName function, string instance, string path, FunctionLogs logs)
    {
        _output = new InstanceOutput(function, instance, logs, TailLines);
        _lines = new LineSplitter(Look);
        _file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.ReadWrite, BufferSize = 0 });
        CodeTree.SetExecutable(path, false);
    }

    /// <summary>Ends with its words when the guest's kernel panics.</summary>
    public Task<string> Panicked => _panicked.Task;

    /// <summary>Takes a piece; called by the spawner's thread only.</summary>
    public void Take(OutputStream stream, ReadOnlySpan<byte> piece)
    {
        _output.Take(stream, piece);
        if (stream == OutputStream.Out) _lines.Take(piece);
        lock (_lock)
        {
            if (_file is null || _file.Length >= MaxFileBytes) return;
            try
            {
                _file.Write(piece[..(int)Math.Min(piece.Length, MaxFileBytes - _file.Length)]);
            }
            catch (IOException)
            {
                // The disk is full; the function's log has it as well.
                Close_NeedsLock();
            }
        }
    }

    /// <summary>The message, and under it what was printed last.</summary>
    public string WithTail(string message) => _output.WithTail(message);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock) Close_NeedsLock();
    }

    private void Close_NeedsLock()
    {
        _file?.Dispose();
        _file = null;
    }

    private void Look(string line)
    {
        var at = line.IndexOf(Panic, StringComparison.Ordinal);
        if (at >= 0) _panicked.TrySetResult(line[(at + Panic.Length)..].TrimStart(':', ' '));
    }
}
