using System.Net;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deliveries;

/// <summary>A disk that is full, a library that is not there.</summary>
public sealed class HostLacksTests
{
    [Fact]
    public async Task On_a_full_disk_calls_are_refused_and_none_that_was_accepted_is_lost()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        var disk = Path.Combine(root, "state", "async");
        Directory.CreateDirectory(disk);
        (await Programs.RunAsync(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], root)).Good();
        try
        {
            var (ran, go) = (Path.Combine(root, "ran"), Path.Combine(root, "go"));
            await using (var daemon = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--isolation", "none"] }))
            {
                await daemon.DeployPythonAsync("note", $"import os, time\ndef fn(input, headers):\n    while not os.path.exists('{go}'): time.sleep(0.02)\n    with open('{ran}', 'a') as f: f.write(headers['X-Call-Id'] + '\\n')\n",
                    top: "timeout = 600\nmax-instances = 1\n");
                // Bodies of both kinds: those that are kept in the database, and those in files of their own.
                var accepted = new List<string>();
                var refusals = 0;
                for (var i = 0; i < 2000 && refusals < 5; i++)
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, "note") { Content = new ByteArrayContent(new byte[i % 2 == 0 ? 40_000 : 200_000]), Headers = { { "X-tinyFaaS-Async", "1" }, { "X-Call-Id", $"c-{i}" } } };
                    using var answer = await daemon.Http.SendAsync(request);
                    if (answer.StatusCode == HttpStatusCode.Accepted) accepted.Add($"c-{i}");
                    else
                    {
                        refusals++;
                        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                        Assert.NotNull(answer.Headers.RetryAfter);
                        Assert.Contains("is full", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
                    }
                }
                Assert.Equal(5, refusals);
                Assert.NotEmpty(accepted);
                await File.WriteAllTextAsync(go, "");
                await Retry.UntilAsync("all that was accepted ran", () => File.Exists(ran) && File.ReadAllLines(ran).Length >= accepted.Count);
                Assert.Equal(accepted.Order(), File.ReadAllLines(ran).Distinct().Order());
                // What is done makes room.
                await Retry.UntilAsync("calls are accepted again", async () =>
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, "note") { Content = new StringContent("x"), Headers = { { "X-tinyFaaS-Async", "1" }, { "X-Call-Id", "after" } } };
                    using var answer = await daemon.Http.SendAsync(request);
                    return answer.StatusCode == HttpStatusCode.Accepted;
                });
                await Retry.UntilAsync("that one ran", () => File.ReadAllLines(ran).Contains("after"));
            }
        }
        finally
        {
            (await Programs.RunAsync(["umount", disk], root)).Good();
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Without_sqlite_everything_else_works_and_asynchronous_calls_are_refused_with_what_to_install()
    {
        var library = new[] { "/usr/lib", "/lib", "/usr/local/lib" }.Where(Directory.Exists)
            .SelectMany(static folder => Directory.EnumerateFiles(folder, "libsqlite3.so*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint }))
            .Distinct().ToList();
        Assert.NotEmpty(library);
        // In a mount namespace of its own, where something else lies over the library: no other test sees it.
        var hide = string.Join(" && ", library.Select(static path => $"mount --bind /dev/null {path}"));
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup { Prefix = ["unshare", "--mount", "/bin/sh", "-c", hide + " && exec \"$@\"", "sh"] });
        daemon.ExpectError("asynchronous calls are kept by SQLite");
        await daemon.DeployPythonAsync("hello", "def fn(input, headers): return 'hello ' + input\n");
        Assert.Equal((200, "hello x"), await daemon.CallAsync("hello", "x"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "hello") { Headers = { { "X-tinyFaaS-Async", "1" } } };
        using var answer = await daemon.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("libsqlite3-0", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("stint_async_available 0", await daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
        Assert.Contains("libsqlite3-0", (await daemon.CliAsync("async", "ls")).Error, StringComparison.Ordinal);
    }
}
