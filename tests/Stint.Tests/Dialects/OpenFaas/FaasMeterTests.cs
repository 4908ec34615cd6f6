using Stint.Dialects.OpenFaas;
using Stint.Invocations;
using Stint.Tests.Pools;
using Stint.Tests.Telemetry;
using Stint.Tests.Time;

namespace Stint.Tests.Dialects.OpenFaas;

/// <summary>The gateway's metrics under the names of both generations.</summary>
public sealed class FaasMeterTests
{
    [Fact]
    public async Task Calls_are_counted_by_function_and_status_and_strangers_make_no_series()
    {
        var time = new FakeTime();
        var (known, other, stranger) = (PoolBench.Name("f"), PoolBench.Name("g.dev"), PoolBench.Name("stranger"));
        var statuses = new Queue<Func<Reply>>([() => Reply.Answer(200, [], default), () => Reply.Answer(302, [], default), () => Reply.Failure(Outcome.TimedOut, ""), () => Reply.Answer(200, [], default), () => Reply.Failure(Outcome.NotFound, "")]);
        var meter = new FaasMeter(_ =>
        {
            time.Advance(TimeSpan.FromMilliseconds(40));
            return new ValueTask<Reply>(statuses.Dequeue()());
        }, name => name != stranger, time);
        foreach (var name in new[] { known, known, known, other, stranger })
        {
            meter.Requested();
            using var reply = await meter.InvokeAsync(new Invocation { Function = name, CallId = "id" });
        }
        var lines = (await MetricsTextTests.WriteAsync(text => new ValueTask(meter.WriteAsync(text, [(known, 2), (other, 0)], default)))).Split('\n');
        Assert.Contains("gateway_requests_total 5", lines);
        Assert.Contains("gateway_serverless_invocation_total 4", lines);
        Assert.Contains("gateway_functions_count 4", lines);
        Assert.Contains("gateway_functions_sum 0.16", lines);
        Assert.Contains("gateway_function_invocation_total{function_name=\"f.openfaas-fn\",code=\"200\"} 1", lines);
        Assert.Contains("gateway_function_invocation_total{function_name=\"f.openfaas-fn\",code=\"302\"} 1", lines);
        Assert.Contains("gateway_function_invocation_total{function_name=\"f.openfaas-fn\",code=\"504\"} 1", lines);
        Assert.Contains("gateway_functions_seconds_bucket{function_name=\"g.dev\",code=\"200\",le=\"0.025\"} 0", lines);
        Assert.Contains("gateway_functions_seconds_bucket{function_name=\"g.dev\",code=\"200\",le=\"0.05\"} 1", lines);
        Assert.Contains("gateway_function_invocation_started{function_name=\"f.openfaas-fn\"} 3", lines);
        Assert.Contains("gateway_service_count{function_name=\"f.openfaas-fn\"} 2", lines);
        Assert.DoesNotContain(lines, static line => line.Contains("stranger", StringComparison.Ordinal));
    }
}
