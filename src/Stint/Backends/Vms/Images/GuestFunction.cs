using System.Globalization;
using System.Text;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Protocol;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Vms.Images;

/// <summary>What <c>runtimes/guest/serve.py</c> in the guest is told of its function.</summary>
internal static class GuestFunction
{
    /// <summary>The folder of the disk that is ours.</summary>
    public const string Folder = "/stint";

    /// <summary>The settings: texts with a NUL between them, as serve.py documents them.</summary>
    /// <param name="spec">What <c>function.toml</c> says, with its <c>[process]</c>.</param>
    /// <param name="interpreters">Where the interpreters are; in the guest they lie where they lie on the host.</param>
    /// <exception cref="InstanceStartException">The environment is too large, or an interpreter is missing.</exception>
    public static byte[] Settings(FunctionSpec spec, RuntimeInterpreters interpreters)
    {
        var process = spec.Process!;
        var command = RuntimeCommand.For(process.Runtime, interpreters, $"{Folder}/runtimes", SandboxPaths.Socket, process.MemoryMiB);
        List<string> fields = [Number(spec.Timeout.TotalMilliseconds), Number(process.Pids), Number(command.Count), .. command, Number(RuntimeCommand.Environment.Count)];
        foreach (var (name, value) in RuntimeCommand.Environment) fields.Add($"{name}={value}");
        var load = FrameWriter.Load(SandboxPaths.Code, spec.ConcurrentRequests, spec.Env).AsSpan(Frame.HeaderSize);
        return [.. Encoding.UTF8.GetBytes(string.Join('\0', fields)), 0, .. load];
    }

    private static string Number(double number) => ((long)number).ToString(CultureInfo.InvariantCulture);
}
