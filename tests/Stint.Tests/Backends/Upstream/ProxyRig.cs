using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends;
using Stint.Backends.Upstream;
using Stint.Deliveries;
using Stint.Functions;
using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Pools;
using Stint.Tests.Cluster.Workers;
using Stint.Tests.Deliveries;
using Stint.Tests.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Tests.Backends.Upstream;

/// <summary>
/// The whole way of a call: client → HTTP endpoint → pool → upstream → a real server, Kestrel or a raw one, that stands for the one instance. With a worker: client → HTTP endpoint → placer → worker → pool …
/// </summary>
internal sealed class ProxyRig : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly HostBudget _budget = new(1000, 10, TimeProvider.System);
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();
    private readonly IAsyncDisposable _server;
    private readonly FunctionLogs _logs;
    private readonly AsyncCalls _asyncCalls;
    private readonly HttpEndpoint _endpoint;

    private ProxyRig(IAsyncDisposable server, IPEndPoint endPoint, FunctionSpec spec, TrustedProxies trusted, IHttpDialect dialect, PoolOfWorker? worker)
    {
        _server = server;
        Backend = new FixedBackend(endPoint);
        Pool = new FunctionPool(Version(spec, "v1"), _ => Backend, _budget, new PoolOptions(), TimeProvider.System, NullLogger.Instance);
        _logs = new FunctionLogs(_folder.Path, 1024 * 1024, TimeProvider.System, NullLogger<FunctionLogs>.Instance);
        Func<Invocation, ValueTask<Reply>> invoke = Pool.InvokeAsync;
        if (worker is not null)
        {
            (worker.Pool, Worker) = (Pool, worker.Rig);
            invoke = invocation => worker.Rig!.InvokeAsync(invocation, Pool.Version);
        }
        _asyncCalls = UnopenedCalls.Of(invoke, _logs);
        var ingress = new HttpIngress(dialect, invoke, _asyncCalls, 1024L * 1024 * 1024, trusted);
        _endpoint = new HttpEndpoint(new HttpIngressOptions { Listen = [IPAddress.Loopback], Port = 0 }, ingress, _services, NullLoggerFactory.Instance);
    }

    public FixedBackend Backend { get; }

    public FunctionPool Pool { get; }

    /// <summary>The machine that the pool is on; null = the endpoint's.</summary>
    public WorkerRig? Worker { get; }

    /// <summary>Where the endpoint listens.</summary>
    public Uri Address { get; private set; } = null!;

    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None }) { Timeout = RawPeer.Limit };

    /// <summary>With Kestrel as the instance's server.</summary>
    public static async Task<ProxyRig> StartAsync(RequestDelegate serve, FunctionSpec? spec = null, TrustedProxies? trusted = null, IHttpDialect? dialect = null, bool onWorker = false, Func<int, int>? via = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Limits.MaxRequestBodySize = null;
        });
        var app = builder.Build();
        app.UseWebSockets();
        app.Run(serve);
        await app.StartAsync();
        var url = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return await StartAsync(app, new IPEndPoint(IPAddress.Loopback, url.Port), spec, trusted, dialect, onWorker, via);
    }

    /// <summary>With a raw server.</summary>
    public static Task<ProxyRig> StartAsync(RawServer server, FunctionSpec? spec = null, bool onWorker = false) => StartAsync(server, server.EndPoint, spec, null, null, onWorker, null);

    public FunctionVersion Version(FunctionSpec spec, string id) =>
        new() { Name = FunctionName.TryParse("f", out var name) ? name : default, Spec = spec, Id = id, Folder = _folder.Path, DeployedAt = TimeProvider.System.GetUtcNow() };

    /// <summary>Stops the endpoint as the daemon does.</summary>
    public Task StopEndpointAsync(CancellationToken deadline) => _endpoint.StopAsync(deadline);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        using (var limit = new CancellationTokenSource(RawPeer.Limit)) await _endpoint.StopAsync(limit.Token);
        await _endpoint.DisposeAsync();
        await _asyncCalls.DisposeAsync();
        if (Worker is not null) await Worker.DisposeAsync();
        await Pool.DisposeAsync();
        Assert.Equal(0, Backend.Instances.Sum(static instance => instance.Upstream.OpenConnections));
        await _server.DisposeAsync();
        await _logs.DisposeAsync();
        _budget.Dispose();
        await _services.DisposeAsync();
        _folder.Dispose();
    }

    private static async Task<ProxyRig> StartAsync(IAsyncDisposable server, IPEndPoint endPoint, FunctionSpec? spec, TrustedProxies? trusted, IHttpDialect? dialect, bool onWorker, Func<int, int>? via)
    {
        PoolOfWorker? worker = null;
        if (onWorker)
        {
            worker = new PoolOfWorker();
            worker.Rig = await WorkerRig.StartAsync(invocation => worker.Pool!.InvokeAsync(invocation), via);
        }
        var rig = new ProxyRig(server, endPoint, spec ?? new FunctionSpec { ConcurrentRequests = 16, MaxInstances = 1 }, trusted ?? TrustedProxies.None, dialect ?? new StintDialect(), worker);
        await rig._endpoint.StartAsync(default);
        rig.Address = new Uri(rig._endpoint.Urls.Single());
        rig.Http.BaseAddress = rig.Address;
        return rig;
    }

    /// <summary>A worker is there before the pool that it has.</summary>
    private sealed class PoolOfWorker
    {
        public WorkerRig? Rig { get; set; }

        public FunctionPool? Pool { get; set; }
    }
}

/// <summary>Instances that all talk to one server.</summary>
internal sealed class FixedBackend(IPEndPoint endPoint) : IBackend
{
    public List<FixedInstance> Instances { get; } = [];

    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        var instance = new FixedInstance(endPoint, version.Spec.ConcurrentRequests, $"i{Instances.Count}");
        Instances.Add(instance);
        await new HttpReadiness(instance.Upstream, null, TimeProvider.System).WaitAsync(cancellationToken);
        return instance;
    }
}

internal sealed class FixedInstance : IInstance
{
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FixedInstance(IPEndPoint endPoint, int calls, string id)
    {
        Id = id;
        Upstream = new HttpUpstream(endPoint, calls, Ended, TimeProvider.System);
    }

    public HttpUpstream Upstream { get; }

    public string Id { get; }

    public Task<string> Ended => _ended.Task;

    public bool IsDisposed { get; private set; }

    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken) => Upstream.InvokeAsync(invocation, cancellationToken);

    public InstanceUsage ReadUsage() => default;

    /// <summary>The instance dies by itself.</summary>
    public void Die(string reason)
    {
        _ended.TrySetResult(reason);
        Upstream.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        Die("stopped");
        return ValueTask.CompletedTask;
    }
}
