using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Stint.Coap.Messages;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Coap;

/// <summary>Functions called over CoAP: by libcoap's client, by our example for microcontrollers, and datagram by datagram.</summary>
public sealed class CoapTests : IAsyncLifetime
{
    private const string Counter = "import os\ndef fn(input, headers):\n    with open('/tmp/n', 'a') as f: f.write('x')\n    return str(os.path.getsize('/tmp/n'))\n";

    private readonly int _port = FreePorts.Take();
    private StintDaemon _daemon = null!;

    public async Task InitializeAsync()
    {
        _daemon = await StintDaemon.StartAsync(new DaemonSetup { CoapPort = _port });
        await _daemon.DeployPythonAsync("echo", "def fn(input, headers):\n    return input or 'nothing'\n");
    }

    public async Task DisposeAsync() => await _daemon.DisposeAsync();

    [Fact]
    public async Task Libcoaps_client_gets_and_posts()
    {
        Assert.Equal("nothing", (await ClientAsync("-m", "get", Url("echo"))).Good().TrimEnd('\n'));
        Assert.Equal("hello", (await ClientAsync("-m", "post", "-e", "hello", Url("echo"))).Good().TrimEnd('\n'));
        Assert.Equal("hello", (await ClientAsync("-m", "get", "-e", "hello", Url("echo"))).Good().TrimEnd('\n'));
        var unknown = await ClientAsync("-m", "get", Url("nobody"));
        Assert.Contains("4.04", unknown.Out + unknown.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_of_64_KiB_goes_up_and_comes_down_in_blocks()
    {
        var sent = Path.Combine(_daemon.Temporary, "sent");
        var got = Path.Combine(_daemon.Temporary, "got");
        await File.WriteAllTextAsync(sent, string.Concat(Enumerable.Range(0, 8192).Select(static n => n.ToString("x7", CultureInfo.InvariantCulture) + "\n")));
        (await ClientAsync("-m", "post", "-f", sent, "-b", "1024", "-o", got, Url("echo"))).Good();
        Assert.Equal(await File.ReadAllTextAsync(sent), await File.ReadAllTextAsync(got));
        File.Delete(sent);
        File.Delete(got);
    }

    [Fact]
    public async Task Discovery_lists_the_functions()
    {
        var links = (await ClientAsync("-m", "get", Url(".well-known/core"))).Good();
        Assert.Contains("</echo>;rt=\"stint.function\"", links, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Path_query_formats_and_method_reach_the_function_and_its_status_comes_back()
    {
        await _daemon.DeployPythonAsync("show", "import stint\ndef fn(input, headers, request):\n    return stint.Response(request.method + ' ' + request.path + '?' + request.query + ' ' + headers['Content-Type'] + ' ' + headers['Accept'], status=int(input))\n");
        var answer = await AskAsync(CoapCode.Put, "418", (OptionNumber.UriPath, "show"), (OptionNumber.UriPath, "a b"), (OptionNumber.ContentFormat, "\x32"), (OptionNumber.UriQuery, "x=1"), (OptionNumber.UriQuery, "y"), (OptionNumber.Accept, ""));
        Assert.Equal(CoapCode.BadRequest, answer.Code);
        Assert.Equal("PUT /a%20b?x=1&y application/json text/plain; charset=utf-8", Encoding.UTF8.GetString(answer.Payload.Span));
    }

    [Fact]
    public async Task A_request_that_comes_again_does_not_run_again()
    {
        await _daemon.DeployPythonAsync("count", Counter);
        using var udp = Client();
        var request = Request(CoapCode.Post, 4711, "x", (OptionNumber.UriPath, "count"));
        var answers = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            await udp.SendAsync(request);
            answers.Add(Encoding.UTF8.GetString(Decode((await ReceiveAsync(udp)).Buffer).Payload.Span));
        }
        Assert.Equal(["1", "1", "1"], answers);
    }

    [Fact]
    public async Task An_asynchronous_call_is_created_and_runs()
    {
        await _daemon.DeployPythonAsync("later", "def fn(input, headers, request):\n    print('ran with ' + input + ' ' + request.query)\n");
        var answer = await AskAsync(CoapCode.Post, "this", (OptionNumber.UriPath, "later"), (OptionNumber.UriQuery, "a=1"), (OptionNumber.UriQuery, "stint-async"));
        Assert.Equal(CoapCode.Created, answer.Code);
        await Retry.UntilAsync("the call has run", async () => (await _daemon.LogsAsync("later")).Contains("ran with this a=1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failing_function_is_5_00_with_its_message_and_one_that_dies_5_02()
    {
        await _daemon.DeployPythonAsync("bad", "import os\ndef fn(input):\n    if input == 'die': os._exit(3)\n    raise ValueError('no good')\n");
        var failed = await AskAsync(CoapCode.Post, "x", (OptionNumber.UriPath, "bad"));
        Assert.Equal((CoapCode.InternalServerError, "no good"), (failed.Code, Encoding.UTF8.GetString(failed.Payload.Span)));
        Assert.Equal(CoapCode.BadGateway, (await AskAsync(CoapCode.Post, "die", (OptionNumber.UriPath, "bad"))).Code);
    }

    [Fact]
    public async Task Observers_get_fresh_answers_when_told_and_at_the_interval()
    {
        await _daemon.DeployPythonAsync("told", Counter, top: "observe = -1");
        await _daemon.DeployPythonAsync("timed", Counter, top: "observe = 0.2");
        using var udp = Client();
        await udp.SendAsync(Request(CoapCode.Get, 1, "", (OptionNumber.Observe, ""), (OptionNumber.UriPath, "told")));
        Assert.Equal("1", Encoding.UTF8.GetString(Decode((await ReceiveAsync(udp)).Buffer).Payload.Span));
        Assert.Contains("1 observed answer", (await _daemon.CliAsync("notify", "told")).Good(), StringComparison.Ordinal);
        Assert.Equal("2", Encoding.UTF8.GetString(Decode((await ReceiveAsync(udp)).Buffer).Payload.Span));

        using var timed = Client();
        await timed.SendAsync(Request(CoapCode.Get, 2, "", (OptionNumber.Observe, ""), (OptionNumber.UriPath, "timed")));
        var seen = new List<string>();
        while (seen.Count < 3) seen.Add(Encoding.UTF8.GetString(Decode((await ReceiveAsync(timed)).Buffer).Payload.Span));
        Assert.Equal(["1", "2", "3"], seen);
    }

    [Fact]
    public async Task The_example_for_microcontrollers_works()
    {
        var source = Path.Combine(Programs.Repository, "examples", "clients", "coap-c", "coap.c");
        var program = Path.Combine(_daemon.Temporary, "coap");
        (await Programs.RunAsync(["cc", "-O2", "-Wall", "-Werror", "-o", program, source], _daemon.Root)).Good();
        Assert.Equal("hello", (await Programs.RunAsync([program, "127.0.0.1", $"{_port}", "echo", "hello"], _daemon.Root)).Good());
        await _daemon.DeployPythonAsync("slow", "import time\ndef fn(input):\n    time.sleep(1)\n    return 'at last'\n");
        Assert.Equal("at last", (await Programs.RunAsync([program, "127.0.0.1", $"{_port}", "slow", "x"], _daemon.Root)).Good());
        Assert.Equal(1, (await Programs.RunAsync([program, "127.0.0.1", $"{_port}", "nobody", "x"], _daemon.Root)).Code);
        File.Delete(program);
    }

    private string Url(string path) => $"coap://127.0.0.1:{_port}/{path}";

    private Task<Finished> ClientAsync(params string[] arguments) => Programs.RunAsync(["coap-client-notls", "-B", "20", .. arguments], _daemon.Root);

    private UdpClient Client()
    {
        var udp = new UdpClient();
        udp.Connect(new IPEndPoint(IPAddress.Loopback, _port));
        return udp;
    }

    private async Task<CoapMessage> AskAsync(CoapCode method, string payload, params (int Number, string Value)[] options)
    {
        using var udp = Client();
        await udp.SendAsync(Request(method, (ushort)Random.Shared.Next(65536), payload, options));
        var answer = Decode((await ReceiveAsync(udp)).Buffer);
        // An empty acknowledgement: the answer comes in a message of its own.
        return answer.Code == CoapCode.Empty ? Decode((await ReceiveAsync(udp)).Buffer) : answer;
    }

    private static byte[] Request(CoapCode method, ushort id, string payload, params (int Number, string Value)[] options) => new CoapMessage
    {
        Type = CoapMessageType.Confirmable,
        Code = method,
        MessageId = id,
        Token = new CoapToken([1, 2, 3, 4]),
        Options = [.. options.OrderBy(static option => option.Number).Select(static option => new CoapOption(option.Number, Encoding.UTF8.GetBytes(option.Value)))],
        Payload = Encoding.UTF8.GetBytes(payload),
    }.ToArray();

    private static CoapMessage Decode(byte[] datagram) => CoapMessage.TryParse(datagram, out var message) ? message : throw new InvalidOperationException("the answer is no CoAP message");

    private static async Task<UdpReceiveResult> ReceiveAsync(UdpClient udp)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await udp.ReceiveAsync(limit.Token);
    }
}
