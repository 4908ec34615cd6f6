// How the scheduling policies of src/Stint behave past the machines that we have: bench/cluster-sim [--nodes N] [--hours H] [--rate CALLS/S] [--functions N] [--gateways N] [--memory MiB] [--trace FILE]
using System.Globalization;
using Stint.ClusterSim;
using Stopwatch = System.Diagnostics.Stopwatch;

var options = new Dictionary<string, string>(StringComparer.Ordinal)
{
    ["nodes"] = "1000", ["memory"] = "2048", ["cores"] = "4", ["keep-alive"] = "300", ["cold-start"] = "0.15", ["gateways"] = "3", ["report"] = "1",
    ["hours"] = "24", ["rate"] = "100", ["functions"] = "2000", ["seed"] = "1", ["trace"] = "",
};
for (var i = 0; i < args.Length; i += 2)
{
    if (i + 1 >= args.Length || !args[i].StartsWith("--", StringComparison.Ordinal) || !options.ContainsKey(args[i][2..]))
    {
        Console.Error.WriteLine($"cluster-sim: what is {args[i]}? Options, each with a value: {string.Join(' ', options.Keys.Select(static key => "--" + key))}");
        return 64;
    }
    options[args[i][2..]] = args[i + 1];
}

var setting = new Setting((int)Number("nodes"), (int)Number("memory"), (int)Number("cores"), Number("keep-alive"), Number("cold-start"), (int)Number("gateways"), Number("report"));
Trace trace = options["trace"] is { Length: > 0 } file ? new Trace.Recorded(file) : new Trace.Generated((int)Number("functions"), Number("rate"), Number("hours") * 3600, (int)Number("seed"));
Console.WriteLine($"{setting.Nodes:N0} workers of {setting.Cores} cores and {setting.Memory:N0} MiB, {setting.Gateways} gateways, reports every {setting.Report} s; {trace.Functions:N0} functions, keep-alive {setting.KeepAlive} s, a cold start {setting.ColdStart} s");
Console.WriteLine();
Console.WriteLine("| policy | calls | cold starts | sent again | lost | imbalance | slow-down p50 | p99 | decision p50 | p99 |");
Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
foreach (var policy in new[] { "warm-first", "most-memory", "random" })
{
    var began = Stopwatch.GetTimestamp();
    var result = Simulation.Run(setting, trace, policy);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {policy} | {result.Calls:N0} | {100.0 * result.Cold / result.Calls:0.00} % | {100.0 * result.Retried / result.Calls:0.00} % | {result.Lost:N0} | {result.Imbalance:0.00} | {result.LatencyP50:0.00} | {result.LatencyP99:0.00} | {result.DecisionP50:0.0} µs | {result.DecisionP99:0.0} µs |"));
    Console.Error.WriteLine($"({policy}: {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s)");
}
return 0;

double Number(string name) => double.Parse(options[name], CultureInfo.InvariantCulture);
