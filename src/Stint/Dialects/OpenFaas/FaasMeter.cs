using System.Collections.Concurrent;
using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Telemetry;
using Stint.Telemetry.Metrics;

namespace Stint.Dialects.OpenFaas;

/// <summary>
/// What OpenFaaS's gateway measures, under its names: calls that came through it. <c>stint_…</c> has those of all protocols.
/// </summary>
/// <param name="invoke">What runs calls.</param>
/// <param name="exists">Whether a function is deployed: what strangers ask for in vain must not make series.</param>
/// <param name="time">Measures them.</param>
internal sealed class FaasMeter(Func<Invocation, ValueTask<Reply>> invoke, Func<FunctionName, bool> exists, TimeProvider time)
{
    private readonly ConcurrentDictionary<FunctionName, FunctionMeter> _functions = new();
    private readonly Histogram _all = new();
    private long _requests, _invocations;

    /// <summary>Counts a request to the gateway, whatever comes of it.</summary>
    public void Requested() => Interlocked.Increment(ref _requests);

    /// <summary>Runs a call.</summary>
    public async ValueTask<Reply> InvokeAsync(Invocation invocation)
    {
        if (!exists(invocation.Function)) return await invoke(invocation).ConfigureAwait(false);
        var began = time.GetTimestamp();
        var meter = _functions.GetOrAdd(invocation.Function, static _ => new FunctionMeter());
        Interlocked.Increment(ref _invocations);
        meter.Began();
        var reply = await invoke(invocation).ConfigureAwait(false);
        var took = time.GetElapsedTime(began);
        _all.Record(took);
        meter.Ended(reply.Outcome == Outcome.Answered ? reply.Status : HttpOutcome.Status(reply.Outcome), took);
        return reply;
    }

    /// <summary>Counts a call that was accepted to be run later, whichever way it came, when it has been run: OpenFaaS's queue calls functions through the gateway.</summary>
    public void Count(FunctionName function, int status, TimeSpan took)
    {
        if (!exists(function)) return;
        var meter = _functions.GetOrAdd(function, static _ => new FunctionMeter());
        Interlocked.Increment(ref _invocations);
        _all.Record(took);
        meter.Began();
        meter.Ended(status, took);
    }

    /// <summary>Writes the families, function by function: those of thousands are never in memory together.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="replicas">What is deployed, with the number of instances.</param>
    /// <param name="cancellationToken">Nobody wants it any more.</param>
    public async Task WriteAsync(MetricsText text, IReadOnlyList<(FunctionName Name, int Replicas)> replicas, CancellationToken cancellationToken)
    {
        var known = replicas.Select(static function => function.Name).ToHashSet();
        foreach (var gone in _functions.Keys.Where(name => !known.Contains(name))) _functions.TryRemove(gone, out _);
        var meters = _functions.OrderBy(static entry => FaasNames.Full(entry.Key), StringComparer.Ordinal).Select(static entry => (Name: FaasNames.Full(entry.Key), entry.Value)).ToList();

        text.Family("gateway_requests_total", MetricKind.Counter, "Requests to the gateway.").Sample(Interlocked.Read(ref _requests));
        text.Family("gateway_serverless_invocation_total", MetricKind.Counter, "Calls that the gateway passed on.").Sample(Interlocked.Read(ref _invocations));
        text.Family("gateway_functions", MetricKind.Histogram, "Seconds of all functions' calls.").Sample(_all);
        text.Family("gateway_functions_seconds", MetricKind.Histogram, "Seconds from a call's arrival to the beginning of its answer.");
        foreach (var (name, meter) in meters)
        {
            foreach (var (code, durations) in meter.Codes) text.Sample(durations, ("function_name", name), ("code", code));
            await text.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        text.Family("gateway_function_invocation_total", MetricKind.Counter, "Calls that ended, by status.");
        foreach (var (name, meter) in meters)
        {
            foreach (var (code, durations) in meter.Codes) text.Sample(durations.Read().Count, ("function_name", name), ("code", code));
            await text.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        text.Family("gateway_function_invocation_started", MetricKind.Untyped, "Calls that began.");
        foreach (var (name, meter) in meters)
        {
            text.Sample(meter.Started, ("function_name", name));
            await text.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        text.Family("gateway_service_count", MetricKind.Untyped, "Instances of a function.");
        foreach (var (name, count) in replicas)
        {
            text.Sample(count, ("function_name", FaasNames.Full(name)));
            await text.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private sealed class FunctionMeter
    {
        private readonly ConcurrentDictionary<int, Histogram> _codes = new();
        private long _started;

        public long Started => Interlocked.Read(ref _started);

        public IEnumerable<(string Code, Histogram Durations)> Codes => _codes.OrderBy(static entry => entry.Key).Select(static entry => ($"{entry.Key}", entry.Value));

        public void Began() => Interlocked.Increment(ref _started);

        public void Ended(int code, TimeSpan took) => _codes.GetOrAdd(code, static _ => new Histogram()).Record(took);
    }
}
