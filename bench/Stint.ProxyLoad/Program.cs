// The daemon's way of a call to an instance that serves HTTP, with everything but the engine that would start it: HTTP endpoint → pool → client → a server that runs already.
// Started as  dotnet Stint.Bench.dll PORT SERVER-PORT own|handler
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Functions;
using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Pools;
using Stint.ProxyLoad;
using Stint.Telemetry.Logs;
using Stint.Tests.Deliveries;

// As src/Stint/Program.cs.
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Math.Max(1, Environment.ProcessorCount / 4).ToString(CultureInfo.InvariantCulture));

var server = new IPEndPoint(IPAddress.Loopback, int.Parse(args[1], CultureInfo.InvariantCulture));
var folder = Directory.CreateTempSubdirectory("stint-proxyload-");
var version = new FunctionVersion
{
    Name = FunctionName.TryParse("echo", out var name) ? name : default,
    Spec = new FunctionSpec { ConcurrentRequests = 1000, MaxInstances = 1 },
    Id = "1",
    Folder = folder.FullName,
    DeployedAt = TimeProvider.System.GetUtcNow(),
};
using var budget = new HostBudget(1000, 10, TimeProvider.System);
await using var pool = new FunctionPool(version, _ => new RunningServer(server, args[2] == "own"), budget, new PoolOptions(), TimeProvider.System, NullLogger.Instance);
await using var logs = new FunctionLogs(folder.FullName, 1024 * 1024, TimeProvider.System, NullLogger<FunctionLogs>.Instance);
await using var asyncCalls = UnopenedCalls.Of(pool.InvokeAsync, logs);
await using var services = (ServiceProvider)new DefaultServiceProviderFactory().CreateServiceProvider(new ServiceCollection());
var ingress = new HttpIngress(new StintDialect(), pool.InvokeAsync, asyncCalls, 64 * 1024 * 1024, TrustedProxies.None);
await using var endpoint = new HttpEndpoint(new HttpIngressOptions { Listen = [IPAddress.Loopback], Port = int.Parse(args[0], CultureInfo.InvariantCulture) }, ingress, services, NullLoggerFactory.Instance);

using var stop = new CancellationTokenSource();
using var terminated = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, context =>
{
    context.Cancel = true;
    stop.Cancel();
});
await endpoint.StartAsync(stop.Token);
await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
await endpoint.StopAsync(default);
folder.Delete(recursive: true);
