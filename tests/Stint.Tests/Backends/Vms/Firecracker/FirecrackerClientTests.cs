using System.Net.Sockets;
using System.Text;
using Stint.Backends.Vms.Firecracker;

namespace Stint.Tests.Backends.Vms.Firecracker;

/// <summary>The API client against a socket that answers well and badly. Whole conversations are in the end-to-end tests, with a stand-in for Firecracker.</summary>
public sealed class FirecrackerClientTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-fc-").FullName;

    private string Path => System.IO.Path.Combine(_folder, "api.sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_request_has_a_length_and_Firecrackers_names()
    {
        using var client = new FirecrackerClient(Path, TimeProvider.System);
        var heard = AnswerAsync("HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n");
        await client.PutAsync(new Drive("rootfs", "/d", true, false), default);
        var request = await heard;
        Assert.StartsWith("PUT /drives/rootfs HTTP/1.1\r\n", request, StringComparison.Ordinal);
        Assert.EndsWith("""{"drive_id":"rootfs","path_on_host":"/d","is_root_device":true,"is_read_only":false}""", request, StringComparison.Ordinal);
        Assert.Contains("Content-Length: 84\r\n", request, StringComparison.Ordinal);
        Assert.DoesNotContain("chunked", request, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_set_is_not_sent()
    {
        using var client = new FirecrackerClient(Path, TimeProvider.System);
        var heard = AnswerAsync("HTTP/1.1 204 \r\n\r\n");
        await client.PutAsync(new BootSource("/k", "quiet", null), default);
        Assert.EndsWith("""{"kernel_image_path":"/k","boot_args":"quiet"}""", await heard, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 400 \r\nContent-Length: 26\r\n\r\n{\"fault_message\":\"no tap\"}", "Firecracker refused PUT /actions: no tap")]
    [InlineData("HTTP/1.1 400 \r\nContent-Length: 4\r\n\r\nwhat", "Firecracker refused PUT /actions: status 400")]
    [InlineData("HTTP/1.1 400 \r\nContent-Length: 4\r\n\r\nnull", "Firecracker refused PUT /actions: status 400")]
    [InlineData("HTTP/1.1 500 \r\n\r\n", "Firecracker refused PUT /actions: status 500")]
    [InlineData("hello\r\n", "Firecracker's API broke off at PUT /actions: ")]
    [InlineData("", "Firecracker's API broke off at PUT /actions: ")]
    public async Task What_goes_wrong_is_said(string answer, string message)
    {
        using var client = new FirecrackerClient(Path, TimeProvider.System);
        var heard = AnswerAsync(answer);
        Assert.StartsWith(message, (await Assert.ThrowsAsync<FirecrackerException>(() => client.StartAsync(default))).Message, StringComparison.Ordinal);
        await heard;
    }

    [Fact]
    public async Task A_long_answer_is_not_read()
    {
        using var client = new FirecrackerClient(Path, TimeProvider.System);
        var heard = AnswerAsync($"HTTP/1.1 400 \r\nContent-Length: 10000000\r\n\r\n{new string('x', 100_000)}");
        await Assert.ThrowsAsync<FirecrackerException>(() => client.StartAsync(default));
        await heard;
    }

    [Fact]
    public async Task A_link_in_the_sockets_place_is_not_followed()
    {
        var elsewhere = System.IO.Path.Combine(_folder, "elsewhere.sock");
        using var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(elsewhere));
        other.Listen();
        File.CreateSymbolicLink(Path, elsewhere);
        using var client = new FirecrackerClient(Path, TimeProvider.System);
        Assert.Contains("is no socket", (await Assert.ThrowsAsync<FirecrackerException>(() => client.WaitAsync(default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_waits_until_the_API_is_there()
    {
        using var client = new FirecrackerClient(Path, TimeProvider.System);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        var waiting = client.WaitAsync(limit.Token);
        Assert.False(waiting.IsCompleted);
        const string description = """{"id":"a","state":"Not started","vmm_version":"1.10.1","app_name":"Firecracker"}""";
        var heard = AnswerAsync($"HTTP/1.1 200 \r\nContent-Length: {description.Length}\r\n\r\n{description}");
        Assert.Equal("Not started", (await waiting).State);
        Assert.StartsWith("GET / HTTP/1.1", await heard, StringComparison.Ordinal);
    }

    /// <summary>Takes one connection, hears one request, answers, hangs up.</summary>
    private Task<string> AnswerAsync(string answer)
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path));
        listener.Listen();
        return Task.Run(async () =>
        {
            using (listener)
            {
                using var connection = await listener.AcceptAsync();
                var request = new StringBuilder();
                var buffer = new byte[4096];
                while (!IsWhole(request.ToString()))
                {
                    var count = await connection.ReceiveAsync(buffer);
                    if (count == 0) break;
                    request.Append(Encoding.UTF8.GetString(buffer, 0, count));
                }
                try
                {
                    await connection.SendAsync(Encoding.UTF8.GetBytes(answer));
                    connection.Shutdown(SocketShutdown.Send);
                }
                catch (SocketException)
                {
                    // It has heard enough.
                }
                return request.ToString();
            }
        });
    }

    private static bool IsWhole(string request)
    {
        var end = request.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0) return false;
        var at = request.IndexOf("Content-Length: ", StringComparison.Ordinal);
        var length = at < 0 ? 0 : int.Parse(request[(at + 16)..request.IndexOf("\r\n", at, StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);
        return Encoding.UTF8.GetByteCount(request[(end + 4)..]) >= length;
    }
}
