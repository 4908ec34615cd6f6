using Stint.Backends.Processes;
using Stint.Backends.Wasm;
using Stint.Functions.Bundles;
using Stint.Network;
using Stint.Telemetry.Logs;

namespace Stint.Hosting;

/// <summary>Puts together what runs WebAssembly functions. Runners are sandboxed processes of this host whatever <c>backend</c> says of other functions: there is no code of a function in them that an image could hold.</summary>
internal static class WasmParts
{
    private static readonly int Cores = Environment.ProcessorCount;

    /// <summary>The backend for these settings.</summary>
    public static WasmBackend Of(DaemonOptions options, ProcessBackendOptions processes, ProcessHost host, HostNetwork network, BundleStore bundles, FunctionLogs logs, TimeProvider time, ILoggerFactory loggers)
    {
        var most = options.WasmRunnersMax > 0 ? options.WasmRunnersMax : Math.Max(8, 4 * Cores);
        var wasm = new WasmBackendOptions
        {
            RunFolder = processes.RunFolder, Runtimes = processes.Runtimes, NodeJs = processes.NodeJs, MemoryMiB = options.WasmMemoryMiB,
            Kept = Math.Min(most, options.WasmRunners > 0 ? options.WasmRunners : Cores + 1), Most = most,
        };
        var targets = new GuestTargets(network.Subnet, network.Options.Allowed);
        return new WasmBackend(wasm, new RunnerProcess(host, wasm, time), targets, options.NetworkDefault, bundles.Hold, logs, loggers.CreateLogger<WasmBackend>());
    }
}
