// The daemon's life:
//
//   1. settings      flags over environment over stint.toml over defaults; everything wrong is said at once, exit 78
//   2. host          folders, lock, sandbox, control groups; what a killed daemon left is removed
//   3. endpoints     management first, so that /readyz can say "starting"; then invocation
//   4. registry      what is on disk is taken into service; ready
//   5. SIGTERM       /readyz says no; for leave-seconds calls are taken all the same; endpoints stop accepting; running calls finish within drain-seconds; instances stop; everything made is removed
using Stint.Cli;
using Stint.Cluster.Store;
using Stint.Dialects.OpenFaas;
using Stint.Dialects.UniFaas;
using Stint.Functions.Deployments;
using Stint.Hosting.Configuration;
using Stint.Ingress.Http;
using Stint.Management;

namespace Stint.Hosting;

/// <summary><c>stint up</c>: one daemon from its settings to its end.</summary>
internal static partial class Daemon
{
    /// <summary>Runs until the token fires; the result is the exit code.</summary>
    public static async Task<int> RunAsync(IReadOnlyDictionary<string, string> flags, bool examples, CancellationToken stop)
    {
        // 1.
        var reading = OptionsLoader.Load(flags);
        if (reading.Options is not { } options)
        {
            foreach (var problem in reading.Problems) await Console.Error.WriteLineAsync($"stint: {problem}").ConfigureAwait(false);
            return ExitCode.BadConfiguration;
        }
        if (options.Store is not null || options.RunsForGateways()) IdleThreads.SpinFirst();
        // A worker is called by gateways alone.
        if (options.RunsForGateways()) options = options with { HttpPort = -1, CoapPort = -1, GrpcPort = -1, UniFaasPort = -1, FunLessPort = -1, OpenFaasMetricsPort = -1 };
        // The empty builder: no appsettings.json, no watch on the file system, no environment that others set for their ASP.NET applications.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "stint", ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        DaemonLogging.Configure(builder.Logging, options);
        try
        {
            // 2.
            var missing = await HostPrerequisites.EnsureAsync(options, examples, stop).ConfigureAwait(false);
            if (missing is not null) throw new IOException(missing);
            using var loggers = LoggerFactory.Create(logging => DaemonLogging.Configure(logging, options));
            var logger = loggers.CreateLogger("Stint.Hosting.Daemon");
            foreach (var warning in reading.Warnings) ConfigurationWarning(logger, warning);
            await using var platform = new Platform(options, TimeProvider.System, loggers);
            return await ServeAsync(builder, platform, loggers, logger, examples, stop).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or DeploymentException or StoreException)
        {
            await Console.Error.WriteLineAsync($"stint: {failure.Message}").ConfigureAwait(false);
            return ExitCode.Failed;
        }
    }

    private static async Task<int> ServeAsync(WebApplicationBuilder builder, Platform platform, ILoggerFactory loggers, ILogger logger, bool examples, CancellationToken stop)
    {
        // 3.
        var options = platform.Options;
        var uniFaas = new HttpIngress(new UniFaasDialect(), platform.InvokeAsync, platform.AsyncCalls, options.MaxBodyMiB * 1024L * 1024L, new TrustedProxies(options.TrustedProxies));
        var meter = new FaasMeter(platform.InvokeAsync, name => platform.Router.Find(name) is not null, TimeProvider.System);
        platform.AsyncCalls.Ran = meter.Count;
        var faas = new HttpIngress(new FaasDialect(TimeProvider.System), meter.InvokeAsync, platform.AsyncCalls, options.MaxBodyMiB * 1024L * 1024L, new TrustedProxies(options.TrustedProxies));
        List<EndpointView> endpoints = [];
        await using var management = new ManagementEndpoint(builder, platform, uniFaas, new FaasGateway(faas, meter), () => endpoints, logger);
        await using var metrics = options.OpenFaasMetricsPort < 0 ? null
            : new OpenFaasMetrics(options, management.Access, (output, cancellation) => PlatformMetrics.WriteGatewayAsync(platform, meter, output, cancellation), management.Services, loggers);
        await using var invocation = new InvocationEndpoints(platform, uniFaas, management.Services, loggers);
        await using var gateway = platform.Mirror is not null ? new GatewayNode(platform, management.Services, loggers) : null;
        string? removed = null;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await using var worker = options.RunsForGateways() ? new WorkerNode(platform, management.Services, loggers, why =>
        {
            removed = why;
            ending.Cancel();
        }) : null;
        stop = ending.Token;
        using var notices = ServiceNotices.FromEnvironment(TimeProvider.System);
        await management.StartAsync(stop).ConfigureAwait(false);
        if (metrics is not null) await metrics.StartAsync(stop).ConfigureAwait(false);
        try
        {
            await invocation.StartAsync(stop).ConfigureAwait(false);
            endpoints = [.. invocation.Views, new EndpointView("management", InvocationEndpoints.Shown("http", management.Urls))];
            if (management.FunLessUrls.Count > 0) endpoints.Add(new EndpointView("funless", InvocationEndpoints.Shown("http", management.FunLessUrls)));

            // 4.
            if (worker is not null) await worker.JoinAsync(stop).ConfigureAwait(false);
            await platform.StartAsync(stop).ConfigureAwait(false);
            await platform.Registry.WhenSettledAsync(stop).ConfigureAwait(false);
            if (gateway is not null)
            {
                platform.Gateway = gateway;
                await gateway.StartAsync(stop).ConfigureAwait(false);
                if (gateway.Port is { } port) endpoints.Add(new EndpointView("node", $"https://localhost:{port}"));
            }
            if (worker is not null)
            {
                await worker.StartAsync(stop).ConfigureAwait(false);
                endpoints.Add(new EndpointView("node", $"https://localhost:{worker.Port}"));
            }
            // A worker's functions have their events, and their asynchronous calls, at the gateways.
            else await platform.BeginDeliveriesAsync().ConfigureAwait(false);
            management.IsReady = true;
            invocation.Ready();
            foreach (var endpoint in endpoints) Listening(logger, endpoint.Protocol, endpoint.Url);
            notices.Ready(string.Join(", ", endpoints.Select(static endpoint => endpoint.Url)));
            // Starting leaves garbage that an idle daemon would keep for hours; on a small machine that memory is better given back at once.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            if (examples) await ExampleFunctions.DeployAsync(platform, endpoints, stop).ConfigureAwait(false);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // told to stop
        }
        finally
        {
            // 5.
            Stopping(logger, options.DrainSeconds);
            if (worker is not null) await worker.LeaveAsync().ConfigureAwait(false);
            management.IsReady = false;
            invocation.Leave();
            var leave = TimeSpan.FromSeconds(options.LeaveSeconds);
            var limit = TimeSpan.FromSeconds(options.DrainSeconds);
            // Endpoints and pools have the limit one after the other at worst, and instances some seconds to die.
            notices.Stopping(leave + (2 * limit) + TimeSpan.FromSeconds(20));
            // Who spreads calls over several gateways learns from /readyz that this one goes; until then its calls are as welcome as ever. After a failed start nobody sends any.
            if (stop.IsCancellationRequested) await Task.Delay(leave, TimeProvider.System, CancellationToken.None).ConfigureAwait(false);
            using var deadline = new CancellationTokenSource(limit);
            // All at once: calls that wait for an instance still get one while the endpoints no longer accept.
            await Task.WhenAll(invocation.StopAsync(limit, deadline.Token), worker?.StopAsync(deadline.Token) ?? Task.CompletedTask, management.StopAsync(deadline.Token), metrics?.StopAsync(deadline.Token) ?? Task.CompletedTask).ConfigureAwait(false);
            await platform.DrainAsync(deadline.IsCancellationRequested ? TimeSpan.Zero : limit).ConfigureAwait(false);
            if (gateway is not null) await gateway.StopAsync(deadline.Token).ConfigureAwait(false);
        }
        return removed is null ? ExitCode.Done : throw new IOException(removed);
    }

    [LoggerMessage(10, LogLevel.Information, "{Protocol} at {Url}")]
    private static partial void Listening(ILogger logger, string protocol, string url);

    [LoggerMessage(11, LogLevel.Information, "stopping; running calls have {Seconds} s")]
    private static partial void Stopping(ILogger logger, int seconds);

    [LoggerMessage(12, LogLevel.Warning, "{Problem}")]
    private static partial void ConfigurationWarning(ILogger logger, string problem);
}
