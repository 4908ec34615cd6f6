using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Functions;

/// <summary>Every folder of <c>examples/</c> does what its <c>example.json</c> says, and what <c>up --examples</c> prints works.</summary>
public sealed class ExamplesTests(ExamplesTests.WithExamples shared) : IClassFixture<ExamplesTests.WithExamples>
{
    public static TheoryData<string> Names => [.. Directory.GetFiles(Path.Combine(Programs.Repository, "examples"), "example.json", SearchOption.AllDirectories).Select(static path => Path.GetFileName(Path.GetDirectoryName(path)!)).Order()];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task An_example_answers_as_its_description_says(string name)
    {
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Programs.Repository, "examples", name, "example.json")));
        var wanted = document.RootElement.GetProperty("request");
        var expect = document.RootElement.GetProperty("expect");
        using var request = new HttpRequestMessage(new HttpMethod(wanted.GetProperty("method").GetString()!), name + wanted.GetProperty("path").GetString());
        if (wanted.GetProperty("body").GetString() is { Length: > 0 } body) request.Content = new StringContent(body);
        foreach (var header in wanted.GetProperty("headers").EnumerateObject()) request.Headers.Add(header.Name, header.Value.GetString());
        using var answer = await shared.Daemon.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal(expect.GetProperty("status").GetInt32(), (int)answer.StatusCode);
        if (expect.TryGetProperty("body", out var whole)) Assert.Equal(whole.GetString(), text);
        if (expect.TryGetProperty("bodyContains", out var part)) Assert.Contains(part.GetString()!, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_printed_curl_lines_work_in_a_shell()
    {
        var lines = shared.Daemon.Output.Split('\n').Select(static line => line.Trim()).Where(static line => line.StartsWith("curl ", StringComparison.Ordinal)).ToList();
        Assert.Equal(3, lines.Count);
        foreach (var line in lines)
            Assert.Contains("World", (await Programs.RunAsync(["sh", "-c", line.Replace("curl ", "curl -sS --fail ", StringComparison.Ordinal)], "/")).Good(), StringComparison.Ordinal);
    }

    public sealed class WithExamples : SharedDaemon
    {
        protected override IReadOnlyList<string> Flags => ["--examples"];

        protected override Task PrepareAsync() => Retry.UntilAsync("the examples are deployed", () => Daemon.Output.Contains("Ctrl-C", StringComparison.Ordinal));
    }
}
