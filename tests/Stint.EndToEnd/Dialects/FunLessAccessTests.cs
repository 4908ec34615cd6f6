using System.Text.Json;
using Stint.EndToEnd.Fixtures;
using static Stint.EndToEnd.Dialects.FlClient;

namespace Stint.EndToEnd.Dialects;

/// <summary>Tokens on disk, over restarts, on the command line; and the settings around them.</summary>
public sealed class FunLessAccessTests
{
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Fact]
    public async Task Everything_that_was_made_is_there_after_a_restart()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        var port = FreePorts.Take();
        try
        {
            string token, guest, script;
            await using (var daemon = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--funless-port", $"{port}"] }))
            {
                var folder = Path.Combine(daemon.State, "funless");
                Assert.Equal(OwnersFile | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
                foreach (var file in new[] { "key", "subjects.json", "tokens" }) Assert.Equal(OwnersFile, File.GetUnixFileMode(Path.Combine(folder, file)));
                guest = TokenIn(Path.Combine(folder, "tokens"), "Guest");
                using var admin = new FlClient(port, TokenIn(Path.Combine(folder, "tokens"), "Admin"));
                token = JsonDocument.Parse((await admin.SendAsync("POST", "v1/admin/subjects", """{"subject":{"name":"bob"}}""")).Body).RootElement.GetProperty("data").GetProperty("token").GetString()!;
                Assert.Equal(201, (await admin.SendAsync("POST", "v1/fn", """{"module":{"name":"empty"}}""")).Status);
                Assert.Equal(201, (await admin.CreateAsync("empty", "echo", await FlModules.EchoAsync(), ("metadata", """{"tag":"t"}"""))).Status);
                Assert.Equal(204, (await admin.SendAsync("DELETE", "v1/fn/empty/echo")).Status);
                Assert.Equal(201, (await admin.CreateAsync("_", "echo", await FlModules.EchoAsync())).Status);
                var made = await admin.FormAsync("POST", "v1/scripts/app", ("file", "- default:\n    - workers: [nobody]\n"u8.ToArray()), ("name", "nobody"));
                Assert.Equal(201, made.Status);
                script = made.Body;
            }
            await using (var daemon = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--funless-port", $"{port}"] }))
            {
                using var bob = new FlClient(port, token);
                AssertJson((200, """{"data":[{"name":"_"},{"name":"empty"}]}"""), await bob.SendAsync("GET", "v1/fn"));
                AssertJson((200, """{"data":{"back":true}}"""), await bob.InvokeAsync("_", "echo", """{"args":{"back":true}}"""));
                AssertJson((200, script), await bob.SendAsync("GET", "v1/scripts/app/nobody"));
                Assert.Equal(503, (await bob.InvokeAsync("_", "echo", """{"scheduling":{"language":"app","script":"nobody"}}""")).Status);
                Assert.Equal(guest, TokenIn(Path.Combine(daemon.State, "funless", "tokens"), "Guest"));
            }
            // Another key, and nothing that was signed with the one before is good.
            File.Delete(Path.Combine(root, "state", "funless", "key"));
            await using (var daemon = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--funless-port", $"{port}"] }))
            {
                using var bob = new FlClient(port, token);
                Assert.Equal(401, (await bob.SendAsync("GET", "v1/fn")).Status);
                using var admin = new FlClient(port, TokenIn(Path.Combine(daemon.State, "funless", "tokens"), "Admin"));
                var listed = JsonDocument.Parse((await admin.SendAsync("GET", "v1/admin/subjects")).Body).RootElement.GetProperty("data").EnumerateArray().Single(static subject => subject.GetProperty("name").GetString() == "bob");
                using var again = new FlClient(port, listed.GetProperty("token").GetString());
                Assert.Equal(200, (await again.SendAsync("GET", "v1/fn")).Status);
                daemon.Signal(15);
                Assert.Equal(0, await daemon.ExitAsync());
                await daemon.RequireNothingLeftAsync();
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task The_tokens_go_where_the_command_line_reads_them_but_never_through_a_link()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            var file = Path.Combine(root, "funless", "tokens");
            await using (var daemon = await StintDaemon.StartAsync("--funless-token-file", file))
            {
                Assert.Equal(OwnersFile, File.GetUnixFileMode(file));
                Assert.Equal(OwnersFile | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(file)!));
                using var guest = new FlClient(daemon.ManagementPort, TokenIn(file, "Guest"));
                Assert.Equal(200, (await guest.SendAsync("GET", "v1/fn")).Status);
            }
            // A link in the file's place is replaced; what it led to stays as it is.
            var precious = Path.Combine(root, "precious");
            await File.WriteAllTextAsync(precious, "mine");
            File.Delete(file);
            File.CreateSymbolicLink(file, precious);
            await using (await StintDaemon.StartAsync("--funless-token-file", file)) Assert.Null(new FileInfo(file).LinkTarget);
            Assert.Equal("mine", await File.ReadAllTextAsync(precious));
            // A folder that others may write to, or that is a link, is not used.
            File.SetUnixFileMode(Path.GetDirectoryName(file)!, (UnixFileMode)0b111_111_111);
            await RefusedAsync(file, "others may write to");
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
            Directory.CreateDirectory(Path.Combine(root, "elsewhere"));
            Directory.CreateSymbolicLink(Path.GetDirectoryName(file)!, Path.Combine(root, "elsewhere"));
            await RefusedAsync(file, "is a link");
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(root, "elsewhere")));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }

        static async Task RefusedAsync(string file, string why)
        {
            var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StintDaemon.StartAsync("--funless-token-file", file));
            Assert.Contains(why, failure.Message, StringComparison.Ordinal);
            Assert.Contains("--funless-token-file", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Without_auth_the_loopback_needs_no_token_but_for_the_subjects_themselves()
    {
        await using (var daemon = await StintDaemon.StartAsync("--funless-auth", "false"))
        {
            using var nobody = new FlClient(daemon.ManagementPort, null);
            Assert.Equal(200, (await nobody.SendAsync("GET", "v1/fn")).Status);
            Assert.Equal(201, (await nobody.SendAsync("POST", "v1/fn", """{"module":{"name":"m"}}""")).Status);
            Assert.Equal(401, (await nobody.SendAsync("GET", "v1/admin/subjects")).Status);
        }
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StintDaemon.StartAsync("--funless-auth", "false", "--management-listen", "0.0.0.0"));
        Assert.Contains("funless-auth", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--management-listen", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Beyond_the_loopback_a_subject_has_FunLess_s_API_and_nothing_else()
    {
        var port = FreePorts.Take();
        await using var daemon = await StintDaemon.StartAsync("--management-listen", "0.0.0.0", "--funless-port", $"{port}");
        var tokens = Path.Combine(daemon.State, "funless", "tokens");
        using var guest = new FlClient(daemon.ManagementPort, TokenIn(tokens, "Guest"));
        using var admin = new FlClient(daemon.ManagementPort, TokenIn(tokens, "Admin"));
        using var manager = new FlClient(port, (await File.ReadAllTextAsync(Path.Combine(daemon.State, "token"))).Trim());
        using var nobody = new FlClient(daemon.ManagementPort, null);
        foreach (var path in new[] { "stint/v1/functions", "system/functions", "list", "metrics", "openapi.json", "stint/v1/tokens" })
        {
            Assert.Equal(401, (await guest.SendAsync("GET", path)).Status);
            Assert.Equal(401, (await admin.SendAsync("GET", path)).Status);
        }
        Assert.Equal((200, 200), ((await guest.SendAsync("GET", "v1/fn")).Status, (await manager.SendAsync("GET", "v1/admin/subjects")).Status));
        Assert.Equal((401, "Unauthorized"), Fault(await nobody.SendAsync("GET", "v1/fn")));
        Assert.Equal(200, (await nobody.SendAsync("GET", "v1")).Status);
    }

    [Fact]
    public async Task The_command_line_gives_renews_and_revokes_tokens()
    {
        await using var daemon = await StintDaemon.StartAsync();
        string[] key = ["--token-file", Path.Combine(daemon.State, "token")];
        var denied = await daemon.CliAsync("token", "ls");
        Assert.Equal(77, denied.Code);
        Assert.Contains("token", denied.Error, StringComparison.Ordinal);
        var token = (await daemon.CliAsync(["token", "create", "carol", .. key])).Good().Trim();
        using var carol = new FlClient(daemon.ManagementPort, token);
        Assert.Equal(200, (await carol.SendAsync("GET", "v1/fn")).Status);
        var again = await daemon.CliAsync(["token", "create", "carol", .. key]);
        Assert.Equal(1, again.Code);
        Assert.Contains("stint token renew carol", again.Error, StringComparison.Ordinal);
        Assert.Contains("carol", (await daemon.CliAsync(["token", "ls", .. key])).Good(), StringComparison.Ordinal);
        Assert.DoesNotContain(token, (await daemon.CliAsync(["token", "ls", "--json", .. key])).Good(), StringComparison.Ordinal);
        var fresh = (await daemon.CliAsync(["token", "renew", "carol", .. key])).Good().Trim();
        using var renewed = new FlClient(daemon.ManagementPort, fresh);
        Assert.Equal((401, 200), ((await carol.SendAsync("GET", "v1/fn")).Status, (await renewed.SendAsync("GET", "v1/fn")).Status));
        (await daemon.CliAsync(["token", "revoke", "carol", .. key])).Good();
        Assert.Equal(401, (await renewed.SendAsync("GET", "v1/fn")).Status);
        Assert.Equal(1, (await daemon.CliAsync(["token", "revoke", "carol", .. key])).Code);
        Assert.Equal(1, (await daemon.CliAsync(["token", "create", "ca rol", .. key])).Code);
        // The file goes along with the administrator's token.
        var file = Path.Combine(daemon.State, "funless", "tokens");
        var admin = (await daemon.CliAsync(["token", "renew", "admin", .. key])).Good().Trim();
        Assert.Equal(admin, TokenIn(file, "Admin"));
    }

    [Fact]
    public async Task A_port_that_is_in_use_is_named()
    {
        await using var first = await StintDaemon.StartAsync();
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StintDaemon.StartAsync("--funless-port", $"{first.HttpPort}"));
        Assert.Contains("--funless-port", failure.Message, StringComparison.Ordinal);
        Assert.Contains(first.HttpPort.ToString(System.Globalization.CultureInfo.InvariantCulture), failure.Message, StringComparison.Ordinal);
    }
}
