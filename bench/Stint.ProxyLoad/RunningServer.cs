using System.Net;
using Stint.Backends;
using Stint.Backends.Upstream;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.ProxyLoad;

/// <summary>A backend whose one instance is there before it is asked for.</summary>
internal sealed class RunningServer(IPEndPoint endPoint, bool own) : IBackend
{
    /// <inheritdoc/>
    public Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken) =>
        Task.FromResult<IInstance>(own ? new OwnClient(endPoint, version.Spec.ConcurrentRequests) : new HandlerClient(endPoint));

    /// <summary>Spoken to as containers and VMs are.</summary>
    private sealed class OwnClient(IPEndPoint endPoint, int calls) : IInstance
    {
        private readonly HttpUpstream _upstream = new(endPoint, calls, new TaskCompletionSource<string>().Task, TimeProvider.System);

        public string Id => "own";

        public Task<string> Ended => _upstream.Ended;

        public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken) => _upstream.InvokeAsync(invocation, cancellationToken);

        public InstanceUsage ReadUsage() => default;

        public ValueTask DisposeAsync()
        {
            _upstream.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
