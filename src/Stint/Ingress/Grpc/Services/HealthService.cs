using System.Collections.Frozen;
using Stint.Ingress.Grpc.Messages.Health;
using Stint.Ingress.Grpc.Wire;
using static Stint.Ingress.Grpc.Messages.Health.HealthCheckResponse.Types;

namespace Stint.Ingress.Grpc.Services;

/// <summary><c>grpc.health.v1.Health</c> (doc/health-checking.md). All services live and die with the daemon: they share one state.</summary>
/// <param name="services">The full names of those that are asked about; the empty name is the daemon as a whole.</param>
/// <param name="serving">Their state.</param>
internal sealed class HealthService(IReadOnlyList<string> services, ServingState serving)
{
    private readonly FrozenSet<string> _services = services.Append("").ToFrozenSet(StringComparer.Ordinal);

    /// <summary>The service.</summary>
    public GrpcService Definition => new("grpc.health.v1.Health", HealthReflection.Descriptor, new GrpcMethod("Check", CheckAsync), new GrpcMethod("Watch", WatchAsync, IsLongLived: true));

    private async Task<GrpcStatus> CheckAsync(GrpcCall call)
    {
        var request = await call.ReadSingleAsync(HealthCheckRequest.Parser).ConfigureAwait(false);
        if (!_services.Contains(request.Service)) return new(GrpcStatusCode.NotFound, $"there is no service {Http.HttpError.Printable(request.Service)}");
        call.Write(Response(serving.Now.IsServing));
        return GrpcStatus.Ok;
    }

    private async Task<GrpcStatus> WatchAsync(GrpcCall call)
    {
        var request = await call.ReadSingleAsync(HealthCheckRequest.Parser).ConfigureAwait(false);
        var isKnown = _services.Contains(request.Service);
        if (!isKnown) await call.SendAsync(new HealthCheckResponse { Status = ServingStatus.ServiceUnknown }).ConfigureAwait(false);
        bool? told = null;
        while (true)
        {
            // Asked in this order: what is told below is the last state when the daemon is stopping.
            var isStopping = serving.Stopping.IsCancellationRequested;
            var (isServing, change) = serving.Now;
            if (isKnown && told != isServing) await call.SendAsync(Response(isServing)).ConfigureAwait(false);
            told = isServing;
            if (isStopping) return new(GrpcStatusCode.Unavailable, "the daemon is stopping");
            using var either = CancellationTokenSource.CreateLinkedTokenSource(call.Ended, serving.Stopping);
            try
            {
                await change.WaitAsync(either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!call.Ended.IsCancellationRequested)
            {
                // Stopping: the next round tells it and ends.
            }
        }
    }

    private static HealthCheckResponse Response(bool isServing) => new() { Status = isServing ? ServingStatus.Serving : ServingStatus.NotServing };
}
