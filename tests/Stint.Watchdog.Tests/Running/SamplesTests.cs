using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Stint.Watchdog.Tests.Running;

/// <summary>Every folder of <c>examples/watchdog</c> answers its <c>call.json</c> as that says.</summary>
public sealed class SamplesTests
{
    private static readonly string s_samples = Path.Combine(Repository.Root, "examples", "watchdog");

    public static TheoryData<string> Names => [.. Directory.GetDirectories(s_samples).Select(static folder => Path.GetFileName(folder)!).Order()];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_sample_answers_as_it_says(string name)
    {
        Assert.Contains($"[{name}]({name})", await File.ReadAllTextAsync(Path.Combine(s_samples, "README.md")), StringComparison.Ordinal);
        var folder = RunningWatchdog.NewFolder();
        foreach (var file in Directory.GetFiles(Path.Combine(s_samples, name))) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        var variables = (await File.ReadAllLinesAsync(Path.Combine(folder, "function.env"))).Select(static line => line.Split('=', 2)).Select(static pair => (pair[0], pair[1]));
        // Debian's own programs rather than a version manager's shims, which look for a home.
        await using var watchdog = await RunningWatchdog.StartAsync(folder, [.. variables, ("PATH", "/usr/bin:/bin:" + Environment.GetEnvironmentVariable("PATH"))]);

        using var call = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "call.json")));
        var (request, expect) = (call.RootElement.GetProperty("request"), call.RootElement.GetProperty("expect"));
        using var message = new HttpRequestMessage(new HttpMethod(request.GetProperty("method").GetString()!), request.GetProperty("path").GetString());
        var body = request.GetProperty("body").GetString()!;
        if (body.Length > 0) message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        foreach (var header in request.GetProperty("headers").EnumerateObject())
        {
            if (!message.Headers.TryAddWithoutValidation(header.Name, header.Value.GetString())) message.Content!.Headers.TryAddWithoutValidation(header.Name, header.Value.GetString());
        }
        using var reply = await watchdog.Client.SendAsync(message);
        var answer = await reply.Content.ReadAsStringAsync();
        Assert.Equal((expect.GetProperty("status").GetInt32(), ""), ((int)reply.StatusCode, reply.IsSuccessStatusCode ? "" : answer));
        if (expect.TryGetProperty("contentType", out var type)) Assert.Equal(type.GetString(), reply.Content.Headers.ContentType!.ToString());
        if (expect.TryGetProperty("pattern", out var pattern)) Assert.Matches(new Regex(pattern.GetString()!, RegexOptions.None, TimeSpan.FromSeconds(20)), answer);
        else Assert.Equal(expect.GetProperty("body").GetString(), answer);
    }
}
