using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Watchdog;

/// <summary>The samples of <c>examples/watchdog</c> as images behind the gateway.</summary>
[Collection(TestEngine.Collection)]
public sealed class WatchdogSamplesTests(WatchdogImages images) : IClassFixture<WatchdogImages>
{
    private static readonly string Samples = Path.Combine(Programs.Repository, "examples", "watchdog");

    public static TheoryData<string> Names => [.. Directory.GetDirectories(Samples).Select(static folder => Path.GetFileName(folder)!).Order()];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_sample_answers_behind_the_gateway_as_it_says(string name)
    {
        await images.DeployAsync(name, await images.BuildSampleAsync(name));
        await CallAsync(name, $"function/{name}");
    }

    [Theory]
    [InlineData("colour-intent", "ColourIntent")]
    [InlineData("hostname-intent", "HostnameIntent")]
    public async Task Alexas_requests_reach_the_intents_at_the_root(string sample, string intent)
    {
        await images.DeployAsync(intent, await images.BuildSampleAsync(sample));
        await CallAsync(sample, "");
    }

    private async Task CallAsync(string sample, string target)
    {
        using var call = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Samples, sample, "call.json")));
        var (request, expect) = (call.RootElement.GetProperty("request"), call.RootElement.GetProperty("expect"));
        var path = request.GetProperty("path").GetString()!;
        using var message = new HttpRequestMessage(new HttpMethod(request.GetProperty("method").GetString()!), target + path.TrimStart('/') switch { "" => "", var rest => "/" + rest });
        var body = request.GetProperty("body").GetString()!;
        if (body.Length > 0) message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        foreach (var header in request.GetProperty("headers").EnumerateObject())
            if (!message.Headers.TryAddWithoutValidation(header.Name, header.Value.GetString())) message.Content!.Headers.TryAddWithoutValidation(header.Name, header.Value.GetString());
        using var reply = await images.Client.Http.SendAsync(message);
        var answer = await reply.Content.ReadAsStringAsync();
        Assert.True((int)reply.StatusCode == expect.GetProperty("status").GetInt32(), $"{(int)reply.StatusCode}: {answer}\n{images.Daemon.Log}");
        if (expect.TryGetProperty("contentType", out var type)) Assert.Equal(type.GetString(), reply.Content.Headers.ContentType!.ToString());
        if (expect.TryGetProperty("pattern", out var pattern))
        {
            // Who calls is the gateway, which says who called it: callers' own word for that is not believed.
            var expected = pattern.GetString()!.Replace(@"192\.0\.2\.7", @"(127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)", StringComparison.Ordinal);
            Assert.True(new Regex(expected, RegexOptions.None, TimeSpan.FromSeconds(20)).IsMatch(answer), $"{expected} is not in {answer}");
        }
        else Assert.Equal(expect.GetProperty("body").GetString(), answer);
    }
}
