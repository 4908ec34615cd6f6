using System.Net;
using System.Text;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>A daemon over a registry that was written for UniFaaS: flat folders, every kind of function, both of its ports.</summary>
public sealed class UniFaasTests : IAsyncLifetime
{
    private static readonly int Port = FreePorts.Take();
    private static readonly HttpClient Alone = new() { BaseAddress = new Uri($"http://localhost:{Port}/") };
    private StintDaemon _daemon = null!;

    public async Task InitializeAsync()
    {
        _daemon = await StintDaemon.StartAsync(new DaemonSetup
        {
            // A management endpoint that is open to others: everything but invocations wants its token.
            Flags = ["--management-listen", "0.0.0.0", "-l", "info"],
            Environment = new Dictionary<string, string> { ["UNIFAAS_PORT"] = $"{Port}" },
            Before = static daemon => FunctionFiles.Write(daemon.Registry,
                ("unikernel/function.toml", """
                    keepalive = 60
                    concurrent-requests = 4
                    [vm]
                    kernel = "vmlinux"
                    image = "rootfs.ext4"
                    memory = 512
                    cmdline = "console=ttyS0 ip=%ip::%gateway:%netmask:vm:eth0:off callback=%callback"
                    hypervisor = { type = "firecracker", copy-rootfs = true }
                    """),
                ("unikernel/vmlinux", "kernel"), ("unikernel/rootfs.ext4", "image"),
                ("web/function.toml", "keepalive = 60\nconcurrent-requests = 1\nsingle-use = true\n[container]\nimage = \"nginx:latest\"\n"),
                ("process/function.toml", "keepalive = 60\nconcurrent-requests = 1\nmax-instances = 1\nmax-queue = 1\n[process]\nruntime = \"nodejs\"\n"),
                ("process/code/index.js", """
                    module.exports = (req, res) => {
                        if (req.query.hold) return setTimeout(() => res.send('held'), Number(req.query.hold));
                        if (req.query.fail) throw new Error('on purpose');
                        res.status(207).set('X-Path', req.path).set('X-Query', req.query.x || '');
                        res.send(req.method + ' ' + (req.body ? req.body.length : 0));
                    };
                    """)),
        });
    }

    public async Task DisposeAsync() => await _daemon.DisposeAsync();

    [Fact]
    public async Task Every_method_and_depth_passes_at_both_ports()
    {
        foreach (var client in new[] { Alone, _daemon.Management })
        {
            foreach (var method in new[] { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" })
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), "invoke/process/a/b/c?x=1");
                // A page of another site, and another name: neither matters for an invocation.
                request.Headers.Add("Origin", "http://example.org");
                request.Headers.Host = "edge.example.org";
                if (method is "POST" or "PUT") request.Content = new StringContent("12345");
                using var answer = await client.SendAsync(request);
                Assert.Equal(HttpStatusCode.MultiStatus, answer.StatusCode);
                Assert.Equal(("/a/b/c", "1"), (answer.Headers.GetValues("X-Path").Single(), answer.Headers.GetValues("X-Query").Single()));
                Assert.Equal($"{method} {(request.Content is null ? 0 : 5)}", await answer.Content.ReadAsStringAsync());
            }
        }
    }

    [Fact]
    public async Task A_body_larger_than_an_upload_frame_passes_both_ways()
    {
        const int size = 3 * 1024 * 1024;
        foreach (var client in new[] { Alone, _daemon.Management })
        {
            using var answer = await client.PostAsync("invoke/process/big", new StringContent(new string('x', size), Encoding.UTF8, "text/plain"));
            Assert.Equal($"POST {size}", await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task Errors_have_the_contracts_form()
    {
        Assert.Equal((404, "error: no function nobody; `stint ls` lists what is deployed\n"), await GetAsync("invoke/nobody/x"));
        Assert.Equal(404, (await GetAsync("process")).Status);
        Assert.Equal(404, (await GetAsync("stint/v1/functions")).Status);
        var (status, text) = await GetAsync("invoke/process/?fail=1");
        Assert.Equal(500, status);
        Assert.StartsWith("error: ", text, StringComparison.Ordinal);
        Assert.Contains("on purpose", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Overload_is_told_in_UniFaaSs_words()
    {
        // One instance, and it is there: one call runs, one waits.
        await GetAsync("invoke/process/");
        var held = Enumerable.Range(0, 3).Select(_ => GetAsync("invoke/process/?hold=400")).ToList();
        var answers = await Task.WhenAll(held);
        Assert.Equal([(200, "held"), (200, "held"), (429, "error: too many requests\n")], answers.Order());
    }

    [Fact]
    public async Task A_machine_without_its_hypervisor_says_what_is_missing()
    {
        var (status, text) = await GetAsync("invoke/unikernel/index");
        Assert.Equal(500, status);
        Assert.StartsWith("error: an instance of unikernel did not start: Firecracker ", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Managing_at_the_same_port_still_wants_the_token()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await _daemon.Management.GetAsync("stint/v1/functions")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _daemon.Management.GetAsync("invoke/../stint/v1/functions")).StatusCode);
        // The same path as bytes on the wire, which HttpClient would tidy up.
        Assert.StartsWith("HTTP/1.1 401", await RawAsync("GET /invoke/../stint/v1/functions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 404", await RawAsync("GET /stint/v1/../../invoke/process HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    private static async Task<(int Status, string Text)> GetAsync(string target)
    {
        using var answer = await Alone.GetAsync(target);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private async Task<string> RawAsync(string request)
    {
        using var client = new System.Net.Sockets.TcpClient("localhost", _daemon.ManagementPort);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
