using System.Diagnostics;
using System.Globalization;
using Stint.Coap.Fuzz;

// dotnet run -c Release --project fuzz/Stint.Coap.Fuzz [-- datagrams [seed]]      10,000,000 by default
var datagrams = args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 10_000_000;
var seed = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : Environment.TickCount;
Console.WriteLine($"{datagrams:N0} datagrams, seed {seed}");
var start = Stopwatch.GetTimestamp();
var report = await FuzzRun.RunAsync(datagrams, seed, done => Console.WriteLine($"  {done:N0} after {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s, heap {GC.GetTotalMemory(false) >> 20} MiB"));
Console.WriteLine($"no exception; {report}");
