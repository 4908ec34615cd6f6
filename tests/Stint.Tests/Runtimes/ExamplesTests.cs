using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Stint.Tests.Runtimes;

/// <summary>The examples and the documents' own frames do what they say.</summary>
public sealed partial class ExamplesTests
{
    public static TheoryData<string> Examples => [.. Directory.GetDirectories(Root("examples")).Where(static folder => File.Exists(Path.Combine(folder, "function.toml"))).Select(folder => Path.GetFileName(folder)!).Order()];

    [RuntimeTheory, MemberData(nameof(Examples))]
    public async Task An_example_answers_as_its_example_json_and_README_say(string name)
    {
        var folder = Root($"examples/{name}");
        var runtime = RuntimeLine().Match(await File.ReadAllTextAsync($"{folder}/function.toml")).Groups[1].Value;
        Assert.Contains(runtime, (string[])["python3", "nodejs", "binary"]);
        using var example = JsonDocument.Parse(await File.ReadAllTextAsync($"{folder}/example.json"));
        var request = example.RootElement.GetProperty("request");
        var expected = example.RootElement.GetProperty("expect");
        var target = request.GetProperty("path").GetString()!.Split('?', 2);
        string[] headers = [.. request.GetProperty("headers").EnumerateObject().SelectMany(header => (string[])[Canonical(header.Name), header.Value.GetString()!])];

        await using var peer = await RuntimePeer.StartAsync(RuntimeLanguage.Of(runtime));
        peer.Write(Directory.GetFiles($"{folder}/code", "*", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetRelativePath($"{folder}/code", file), File.ReadAllText));
        Assert.Equal(FrameType.Ready, (await peer.LoadAsync()).Type);
        var answer = await peer.CallAsync(request.GetProperty("body").GetString()!, request.GetProperty("method").GetString()!, target[0],
            target.ElementAtOrDefault(1) ?? "", headers: headers);

        Assert.Equal(expected.GetProperty("status").GetInt32(), answer.Status);
        if (expected.TryGetProperty("body", out var body)) Assert.Equal(body.GetString(), answer.Text);
        else Assert.Contains(expected.GetProperty("bodyContains").GetString()!, answer.Text, StringComparison.Ordinal);
        var readme = await File.ReadAllTextAsync($"{folder}/README.md");
        Assert.Contains($"localhost:8000/{name}", readme, StringComparison.Ordinal);
        if (body.ValueKind == JsonValueKind.String) Assert.Contains($"    {answer.Text.TrimEnd()}\n", readme, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_frames_in_the_runtime_interface_are_right()
    {
        var frames = FrameLine().Matches(await File.ReadAllTextAsync(Root("docs/runtime-interface.md")));
        Assert.Equal(2, frames.Count);
        foreach (Match line in frames)
        {
            byte[] header = Convert.FromHexString(line.Groups[1].Value.Replace(" ", "", StringComparison.Ordinal));
            var frame = new RuntimeFrame((FrameType)header[4], false, header[6], line.Groups[2].Value.Split('␀'), System.Text.Encoding.UTF8.GetBytes(line.Groups[3].Value));
            Assert.Equal(header, frame.ToBytes()[..RuntimeFrame.HeaderSize]);
        }
    }

    /// <summary>The capitalisation in which the daemon passes a header's name on.</summary>
    private static string Canonical(string name) => string.Join('-', name.Split('-').Select(part => char.ToUpperInvariant(part[0]) + part[1..]));

    private static string Root(string path, [CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(here, "../../../..", path));

    [GeneratedRegex("""^runtime = "(\w+)"$""", RegexOptions.Multiline)]
    private static partial Regex RuntimeLine();

    [GeneratedRegex(@"^    [→←]((?: +[0-9a-f]{2}){12}) +(\S+) +(\S+)$", RegexOptions.Multiline)]
    private static partial Regex FrameLine();
}
