using System.ComponentModel;
using Stint.Backends.Processes.Spawning;
using Stint.Functions.Builds;

namespace Stint.Backends.Processes;

/// <summary>Has the interpreter of this host compile our own Python runtimes: 3 of the 8 ms from its start to HELLO. It is our code, so it runs outside of any sandbox.</summary>
internal static class RuntimeBytecode
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Compiles what of it has not been compiled by this interpreter's version. Nothing depends on it: without it, starts are slower.</summary>
    public static async Task CompileAsync(Spawner spawner, ProcessBackendOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        if (options.Python3 is not { } python3) return;
        ChildProcess? compiler = null;
        try
        {
            var arguments = PythonBytecode.Command(python3, options.Runtimes, BytecodeScope.Missing);
            compiler = await spawner.StartAsync(new SpawnRequest { Executable = python3, Arguments = arguments, Output = static (_, _) => { } }).ConfigureAwait(false);
            await compiler.Exited.WaitAsync(Limit, time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is Win32Exception or TimeoutException)
        {
            // An interpreter that does not run is reported by whoever needs it.
        }
        finally
        {
            compiler?.Signal(Posix.SigKill); // nothing, when it has ended
        }
    }
}
