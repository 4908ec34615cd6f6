using System.Globalization;
using System.Net;
using Stint.Coap;
using Stint.CoapLoad;

// coap-load [coap://host:port/path] [--clients 64] [--seconds 5] [--payload BYTES] [--non] [--json]
// Without an address it measures the library itself: an echo server in this process.
if (!Arguments.TryParse(args, out var arguments, out var problem))
{
    Console.Error.WriteLine(problem);
    Console.Error.WriteLine("usage: coap-load [coap://host:port/path] [--clients 64] [--seconds 5] [--payload BYTES] [--non] [--json]");
    return 2;
}

await using var echo = arguments.Target is null
    ? new CoapServer(new CoapServerOptions { Addresses = [IPAddress.Loopback], Port = 0 }, new EchoResources())
    : null;
echo?.Start();
var target = arguments.Target ?? new Uri($"coap://{echo!.EndPoints[0]}/echo");
var allocatedBefore = GC.GetTotalAllocatedBytes();
var result = await Load.RunAsync(target, arguments, TimeProvider.System);
var line = arguments.Json
    ? string.Create(CultureInfo.InvariantCulture,
        $$"""{"target":"{{target}}","clients":{{arguments.Clients}},"seconds":{{result.Seconds:F2}},"requests":{{result.Requests}},"perSecond":{{result.PerSecond:F0}},"p50us":{{result.P50:F0}},"p99us":{{result.P99:F0}},"errors":{{result.Errors}},"retransmissions":{{result.Retransmissions}}}""")
    : string.Create(CultureInfo.InvariantCulture,
        $"{target}  {arguments.Clients} clients  {result.PerSecond:N0} requests/s  p50 {result.P50:F0} µs  p99 {result.P99:F0} µs  {result.Errors} errors  {result.Retransmissions} retransmissions");
Console.WriteLine(line);
if (echo is not null) Console.WriteLine($"allocated by server and clients: {(GC.GetTotalAllocatedBytes() - allocatedBefore) / Math.Max(1, result.Requests)} bytes a request");
return result.Requests == 0 || result.Errors > 0 ? 1 : 0;
