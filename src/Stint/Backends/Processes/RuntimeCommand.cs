using Stint.Functions;
using Stint.Functions.Builds;

namespace Stint.Backends.Processes;

/// <summary>The command line of a runtime: interpreter, its options, our code, the socket.</summary>
internal static class RuntimeCommand
{
    // `python3 runtime.py SOCKET`, except that the interpreter takes a script's bytecode (RuntimeBytecode) where it has some, which it otherwise does for modules only.
    private const string RunCompiled =
        "import sys, _frozen_importlib_external as loader; del sys.argv[0]; __file__ = sys.argv[0]; exec(loader.SourceFileLoader('__main__', __file__).get_code('__main__'))";

    /// <summary>Builds it.</summary>
    /// <param name="runtime">Which runtime.</param>
    /// <param name="interpreters">The interpreters as the process sees them.</param>
    /// <param name="runtimes">The runtimes' folder as the process sees it.</param>
    /// <param name="socket">The socket's path as the process sees it.</param>
    /// <param name="memoryMiB">The instance's memory limit, for interpreters that want to know.</param>
    /// <exception cref="InstanceStartException">The interpreter is not installed.</exception>
    public static IReadOnlyList<string> For(Runtime runtime, RuntimeInterpreters interpreters, string runtimes, string socket, int memoryMiB) => runtime switch
    {
        // -I: no environment, no user site, not the working folder; -S: no site module, which would cost a third of the start; -B: nothing can be written beside the code anyway.
        Runtime.Python3 => [Python(interpreters), "-I", "-S", "-B", "-c", RunCompiled, $"{runtimes}/python3/runtime.py", socket],
        Runtime.Binary => [Python(interpreters), "-I", "-S", "-B", "-c", RunCompiled, $"{runtimes}/binary/runtime.py", socket],
        Runtime.NodeJs => [Node(interpreters), NodeJsCompiled.HeapFlag(memoryMiB), $"{runtimes}/nodejs/runtime.js", socket],
        _ => throw new ArgumentOutOfRangeException(nameof(runtime)),
    };

    /// <summary>The interpreter that a runtime needs, for mounts and messages.</summary>
    public static string Interpreter(Runtime runtime, RuntimeInterpreters interpreters) => runtime == Runtime.NodeJs ? Node(interpreters) : Python(interpreters);

    /// <summary>The environment of every runtime, before the function's own.</summary>
    public static IReadOnlyDictionary<string, string> Environment { get; } = new Dictionary<string, string>
    {
        ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = "/tmp",
        ["TMPDIR"] = "/tmp",
        ["LANG"] = "C.UTF-8",
    };

    private static string Python(RuntimeInterpreters interpreters) =>
        interpreters.Python3 ?? throw new InstanceStartException("python3 is not installed on this host. Install it: apt-get install python3") { IsHostsFault = true };

    private static string Node(RuntimeInterpreters interpreters) =>
        interpreters.NodeJs ?? throw new InstanceStartException("node is not installed on this host. Install it: apt-get install nodejs") { IsHostsFault = true };
}

/// <summary>The interpreters' paths, or names that are looked for where the runtime runs; null = there is none.</summary>
/// <param name="Python3">Of python3 and binary functions.</param>
/// <param name="NodeJs">Of nodejs functions.</param>
internal sealed record RuntimeInterpreters(string? Python3, string? NodeJs);
