using System.Net;

namespace Stint.Watchdog.Tests.Running;

public sealed class StaticTests
{
    [Fact]
    public async Task Files_are_served_with_their_types()
    {
        await using var watchdog = await StartAsync();
        Assert.Equal("<h1>home</h1>", await watchdog.Client.GetStringAsync("/"));
        using var style = await watchdog.Client.GetAsync("/style.css");
        Assert.Equal("text/css; charset=utf-8", style.Content.Headers.ContentType!.ToString());
        Assert.Equal(HttpStatusCode.NotFound, (await watchdog.Client.GetAsync("/none")).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await watchdog.Client.PostAsync("/", null)).StatusCode);
    }

    [Fact]
    public async Task Folders_are_redirected_to_and_listed()
    {
        await using var watchdog = await StartAsync();
        using var redirect = await watchdog.Client.GetAsync("/sub");
        Assert.Equal((HttpStatusCode.MovedPermanently, "sub/"), (redirect.StatusCode, redirect.Headers.Location!.ToString()));
        Assert.Contains("<a href=\"./a%20%26%20b.txt\">a &amp; b.txt</a>", await watchdog.Client.GetStringAsync("/sub/"), StringComparison.Ordinal);
        Assert.Equal("both", await watchdog.Client.GetStringAsync("/sub/a%20%26%20b.txt"));
    }

    [Fact]
    public async Task Parts_and_unchanged_files_are_answered_as_such()
    {
        await using var watchdog = await StartAsync();
        using var part = await GetAsync(watchdog, "Range", "bytes=2-5");
        Assert.Equal((HttpStatusCode.PartialContent, "2345", "bytes 2-5/10"), (part.StatusCode, await part.Content.ReadAsStringAsync(), part.Content.Headers.ContentRange!.ToString()));
        using var beyond = await GetAsync(watchdog, "Range", "bytes=10-");
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, beyond.StatusCode);
        using var whole = await watchdog.Client.GetAsync("/digits.txt");
        using var unchanged = await GetAsync(watchdog, "If-Modified-Since", whole.Content.Headers.LastModified!.Value.ToString("R"));
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
    }

    [Theory]
    [InlineData("/../secret.txt")]
    [InlineData("/sub/../../secret.txt")]
    [InlineData("/%2e%2e/secret.txt")]
    [InlineData("/..%2fsecret.txt")]
    [InlineData("//secret.txt")]
    [InlineData("/sub/%00")]
    public async Task Nothing_above_the_folder_can_be_had(string path)
    {
        await using var watchdog = await StartAsync();
        File.WriteAllText(Path.Combine(watchdog.Folder, "secret.txt"), "secret");
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync($"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        var answer = await client.ToEndAsync();
        Assert.StartsWith("HTTP/1.1 4", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("\r\n\r\nsecret", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_file_arrives_whole()
    {
        await using var watchdog = await StartAsync();
        var bytes = new byte[9_000_000];
        new Random(9).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(watchdog.Folder, "public", "large.bin"), bytes);
        Assert.Equal(bytes, await watchdog.Client.GetByteArrayAsync("/large.bin"));
    }

    private static async Task<HttpResponseMessage> GetAsync(RunningWatchdog watchdog, string name, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/digits.txt");
        request.Headers.TryAddWithoutValidation(name, value);
        return await watchdog.Client.SendAsync(request);
    }

    private static async Task<RunningWatchdog> StartAsync()
    {
        var folder = RunningWatchdog.NewFolder();
        var files = Directory.CreateDirectory(Path.Combine(folder, "public", "sub")).Parent!.FullName;
        File.WriteAllText(Path.Combine(files, "index.html"), "<h1>home</h1>");
        File.WriteAllText(Path.Combine(files, "style.css"), "a{}");
        File.WriteAllText(Path.Combine(files, "digits.txt"), "0123456789");
        File.WriteAllText(Path.Combine(files, "sub", "a & b.txt"), "both");
        return await RunningWatchdog.StartAsync(folder, ("mode", "static"), ("static_path", files));
    }
}
