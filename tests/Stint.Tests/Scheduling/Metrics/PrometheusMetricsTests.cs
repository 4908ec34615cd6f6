using System.Net;
using Stint.Scheduling;
using Stint.Scheduling.Metrics;

namespace Stint.Tests.Scheduling.Metrics;

public sealed class PrometheusMetricsTests
{
    [Theory]
    [InlineData("prometheus", "http://prometheus:9090/")]
    [InlineData("prometheus:9091", "http://prometheus:9091/")]
    [InlineData("10.0.0.1", "http://10.0.0.1:9090/")]
    [InlineData("[::1]:80", "http://[::1]/")]
    [InlineData("http://prometheus", "http://prometheus/")]
    [InlineData("https://metrics.example:9443/prom/", "https://metrics.example:9443/prom/")]
    [InlineData("https://metrics.example/prom", "https://metrics.example/prom/")]
    [InlineData("", null)]
    [InlineData("ftp://prometheus", null)]
    [InlineData("http://user:password@prometheus", null)]
    [InlineData("prometheus/path", null)]
    [InlineData("http://prometheus/?query=up", null)]
    public void An_address_is_a_host_with_or_without_a_port_or_a_url(string text, string? expected) => Assert.Equal(expected, PrometheusMetrics.ReadAddress(text)?.ToString());

    [Fact]
    public async Task What_is_no_amount_counts_for_nothing()
    {
        using var metrics = new PrometheusMetrics(new Uri("http://prometheus:9090/"), new Answers("""
            {"status":"success","data":{"resultType":"vector","result":[
                {"metric":{"__name__":"node_memory_MemAvailable_bytes","instance":"edge1:9100"},"value":[1,"NaN"]},
                {"metric":{"__name__":"node_memory_MemTotal_bytes","instance":"edge1:9100"},"value":[1,"-5"]},
                {"metric":{"__name__":"node_load1","instance":"[::1]:9100"},"value":[1,"0.5"]},
                {"metric":{"__name__":"node_load5"},"value":[1,"0.5"]},
                {"metric":{"__name__":"something_else","node":"edge2"},"value":[1,"+Inf"]}]}}
            """));
        var found = await metrics.ReadAsync(default);
        Assert.Equal(new WorkerMetrics { Load1 = 0.5 }, Assert.Single(found, static machine => machine.Key == "::1").Value);
        Assert.Single(found);
        Assert.Null(found["::1"].Over(new WorkerSnapshot("::1") { Memory = new WorkerMemory(1, 2) }).Memory);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"data":{"result":[{"metric":{},"value":[1]}]}}""")]
    [InlineData("""{"data":{"result":[{"metric":{},"value":"1"}]}}""")]
    [InlineData("no JSON")]
    public async Task An_answer_that_is_none_is_refused(string answer)
    {
        using var metrics = new PrometheusMetrics(new Uri("http://prometheus:9090/"), new Answers(answer));
        Assert.Contains("is not Prometheus", (await Assert.ThrowsAsync<IOException>(() => metrics.ReadAsync(default))).Message, StringComparison.Ordinal);
    }

    private sealed class Answers(string text) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(request.RequestUri!.Query.Contains("__name__", StringComparison.Ordinal) ? text : """{"data":{"result":[]}}""") });
    }
}
