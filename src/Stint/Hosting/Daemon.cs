// The daemon's life:
//
//   1. settings      flags over environment over stint.toml over defaults; everything wrong is said at once, exit 78
//   2. host          folders, lock, sandbox, control groups; what a killed daemon left is removed
//   3. endpoints     management first, so that /readyz can say "starting"; then invocation
//   4. registry      what is on disk is taken into service; ready
//   5. SIGTERM       /readyz says no; endpoints stop accepting; running calls finish within drain-seconds; instances stop; everything made is removed
using System.Net;
using Stint.Cli;
using Stint.Dialects.UniFaas;
using Stint.Functions.Deployments;
using Stint.Hosting.Configuration;
using Stint.Ingress.Coap;
using Stint.Ingress.Grpc;
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
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or DeploymentException)
        {
            await Console.Error.WriteLineAsync($"stint: {failure.Message}").ConfigureAwait(false);
            return ExitCode.Failed;
        }
    }

    private static async Task<int> ServeAsync(WebApplicationBuilder builder, Platform platform, ILoggerFactory loggers, ILogger logger, bool examples, CancellationToken stop)
    {
        // 3.
        var options = platform.Options;
        List<EndpointView> endpoints = [];
        var maxBody = options.MaxBodyMiB * 1024L * 1024L;
        var uniFaas = new HttpIngress(new UniFaasDialect(), platform.Router.InvokeAsync, platform.AsyncCalls, maxBody);
        await using var management = new ManagementEndpoint(builder, platform, uniFaas, () => endpoints);
        await management.StartAsync(stop).ConfigureAwait(false);
        endpoints.Add(new EndpointView("management", Shown(management.Urls)));
        HttpEndpoint? http = null, uniFaasAlone = null;
        CoapEndpoint? coap = null;
        GrpcEndpoint? grpc = null;
        try
        {
            if (options.HttpPort >= 0)
            {
                var ingress = new HttpIngress(new StintDialect(), platform.Router.InvokeAsync, platform.AsyncCalls, maxBody);
                http = new HttpEndpoint(new HttpIngressOptions { Listen = options.Listen, Port = options.HttpPort, MaxBody = maxBody }, ingress, management.Services, loggers);
                await http.StartAsync(stop).ConfigureAwait(false);
                endpoints.Insert(0, new EndpointView("http", Shown(http.Urls)));
            }
            if (options.UniFaasPort >= 0)
            {
                uniFaasAlone = new HttpEndpoint(new HttpIngressOptions { Listen = options.Listen, Port = options.UniFaasPort, MaxBody = maxBody }, uniFaas, management.Services, loggers);
                await uniFaasAlone.StartAsync(stop).ConfigureAwait(false);
                endpoints.Add(new EndpointView("unifaas", Shown(uniFaasAlone.Urls)));
            }
            if (options.GrpcPort >= 0)
            {
                var grpcOptions = new GrpcIngressOptions { Listen = options.Listen, Port = options.GrpcPort, MaxMessage = options.GrpcMaxMessageMiB * 1024 * 1024 };
                grpc = new GrpcEndpoint(grpcOptions, platform.Router.InvokeAsync, platform.AsyncCalls, TimeProvider.System, management.Services, loggers);
                await grpc.StartAsync(stop).ConfigureAwait(false);
                endpoints.Insert(endpoints.Count - 1, new EndpointView("grpc", Shown(grpc.Urls).Replace("http://", "grpc://", StringComparison.Ordinal)));
            }
            if (options.CoapPort >= 0)
            {
                var ingress = new CoapIngress(platform.Router.InvokeAsync, platform.AsyncCalls, platform.CoapFunctions, options.MaxBodyMiB * 1024L * 1024L);
                coap = new CoapEndpoint(options.Listen, options.CoapPort, options.CoapMulticast, options.MaxBodyMiB * 1024 * 1024, ingress, loggers.CreateLogger<CoapEndpoint>());
                coap.Start();
                endpoints.Add(new EndpointView("coap", coap.Url));
                platform.Changed = coap.Changed;
            }

            // 4.
            await platform.StartAsync(stop).ConfigureAwait(false);
            await platform.Registry.WhenSettledAsync(stop).ConfigureAwait(false);
            management.IsReady = true;
            grpc?.Ready();
            foreach (var endpoint in endpoints) Listening(logger, endpoint.Protocol, endpoint.Url);
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
            management.IsReady = false;
            var limit = TimeSpan.FromSeconds(options.DrainSeconds);
            using var deadline = new CancellationTokenSource(limit);
            // Both at once: calls that wait for an instance still get one while the endpoint no longer accepts.
            await Task.WhenAll(
                http?.StopAsync(deadline.Token) ?? Task.CompletedTask, grpc?.StopAsync(deadline.Token) ?? Task.CompletedTask,
                coap?.StopAsync(limit) ?? Task.CompletedTask, uniFaasAlone?.StopAsync(deadline.Token) ?? Task.CompletedTask, management.StopAsync(deadline.Token)).ConfigureAwait(false);
            await platform.DrainAsync(deadline.IsCancellationRequested ? TimeSpan.Zero : limit).ConfigureAwait(false);
            if (http is not null) await http.DisposeAsync().ConfigureAwait(false);
            if (grpc is not null) await grpc.DisposeAsync().ConfigureAwait(false);
            if (uniFaasAlone is not null) await uniFaasAlone.DisposeAsync().ConfigureAwait(false);
        }
        return ExitCode.Done;
    }

    // The address that works in a shell on this host: a wildcard or loopback address is localhost.
    private static string Shown(IReadOnlyList<string> urls)
    {
        var uri = new Uri(urls[0]);
        return IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) || IPAddress.IsLoopback(address))
            ? $"http://localhost:{uri.Port}"
            : $"http://{uri.Authority}";
    }

    [LoggerMessage(10, LogLevel.Information, "{Protocol} at {Url}")]
    private static partial void Listening(ILogger logger, string protocol, string url);

    [LoggerMessage(11, LogLevel.Information, "stopping; running calls have {Seconds} s")]
    private static partial void Stopping(ILogger logger, int seconds);

    [LoggerMessage(12, LogLevel.Warning, "{Problem}")]
    private static partial void ConfigurationWarning(ILogger logger, string problem);
}
