using Stint.Telemetry.Logs;

namespace Stint.Backends.Wasm;

/// <summary>What all runners use.</summary>
/// <param name="Processes">Starts them.</param>
/// <param name="Requests">Makes guests' requests to the world.</param>
/// <param name="Logs">The functions' logs.</param>
/// <param name="Meter">Counts.</param>
/// <param name="Report">Told, in one line, what an operator should know.</param>
internal sealed record RunnerServices(RunnerProcess Processes, GuestRequests Requests, FunctionLogs Logs, WasmMeter Meter, Action<string> Report);
