using System.Globalization;
using Stint.Backends.Processes.Sandboxing;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Sandbox;

/// <summary>What a function sees of the host: its programs, and nothing else.</summary>
public sealed class ViewTests(SandboxDaemon shared) : IClassFixture<SandboxDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task There_is_nothing_at_the_root_but_programs_and_the_functions_own()
    {
        var entries = await shared.AttackAsync("import os\nresult = ' '.join(sorted(os.listdir('/')))");
        Assert.Empty(entries.Split(' ').Except(["bin", "dev", "etc", "fn", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "tmp", "usr"]));
        Assert.Equal("runtimes stint", await shared.AttackAsync("import os\nresult = ' '.join(sorted(os.listdir('/run')))"));
        Assert.Equal("fn.py", await shared.AttackAsync("import os\nresult = ' '.join(n for n in os.listdir('/fn') if n != '__pycache__')"));
    }

    [Theory]
    [InlineData("/etc/shadow"), InlineData("/root"), InlineData("/home"), InlineData("/var"), InlineData("/opt"), InlineData("/srv"), InlineData("/mnt"), InlineData("/boot"), InlineData("/sys"), InlineData("/run/docker.sock"), InlineData("/var/run/docker.sock")]
    public async Task A_place_of_the_host_does_not_exist(string path) =>
        Assert.Equal("False", await shared.AttackAsync($"import os\nresult = os.path.lexists('{path}')"));

    [Fact]
    public async Task Other_functions_code_and_the_daemons_folders_are_not_there()
    {
        foreach (var path in new[] { Daemon.Root, Daemon.State, Daemon.Registry, Daemon.Run, Path.Combine(Daemon.Registry, "_", "victim", "code", "fn.py") })
            Assert.Equal("False", await shared.AttackAsync($"import os\nresult = os.path.exists('{path}')"));
        // Nor anywhere else that can be walked to, through /proc included.
        var found = await shared.AttackAsync($$"""
            import os
            result = []
            for root in ('/fn', '/run', '/tmp', '/etc', '/dev'):
                for folder, _, files in os.walk(root):
                    for name in files:
                        path = os.path.join(folder, name)
                        try:
                            if os.path.isfile(path) and b'{{SandboxDaemon.Secret[..14]}}' b'{{SandboxDaemon.Secret[14..]}}' in open(path, 'rb').read(): result.append(path)
                        except OSError: pass
            """);
        Assert.Equal("[]", found);
    }

    [Fact]
    public async Task Nothing_of_the_host_can_be_written()
    {
        var written = await shared.AttackAsync("""
            import os
            result = []
            for folder in ('/', '/fn', '/run', '/run/stint', '/run/runtimes', '/usr', '/usr/bin', '/etc', '/dev', '/proc', '/bin/', '/lib/'):
                try:
                    open(os.path.join(folder, 'mine'), 'w').close()
                    result.append(folder)
                except OSError: pass
            """);
        Assert.Equal("[]", written);
    }

    [Fact]
    public async Task Only_its_own_processes_exist()
    {
        var commands = await shared.AttackAsync("""
            import os
            result = ' '.join(open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit())
            """);
        Assert.True(commands.Split(' ').All(static name => name is "bwrap" or "python3"), commands);
        var visible = await shared.AttackAsync($"import os\nresult = os.path.exists('/proc/{Daemon.ProcessId}')");
        Assert.Equal("False", visible);
    }

    [Fact]
    public async Task Host_processes_cannot_be_signalled()
    {
        // Every number but its own few: the daemon, this test, the victim, init.
        var hit = await shared.AttackAsync($$"""
            import os
            own = {int(p) for p in os.listdir('/proc') if p.isdigit()}
            result = []
            for pid in list(range(2, 5000)) + [{{Daemon.ProcessId}}, {{Environment.ProcessId}}]:
                if pid in own: continue
                try:
                    os.kill(pid, 0)
                    result.append(pid)
                except ProcessLookupError: pass
            """);
        Assert.Equal("[]", hit);
        await UnharmedAsync();
    }

    [Fact]
    public async Task The_environment_holds_nothing_of_the_daemons()
    {
        var variables = await shared.AttackAsync("import os\nresult = '|'.join(f'{k}={v}' for k, v in sorted(os.environ.items())) + open('/proc/1/environ').read()");
        Assert.DoesNotContain(Daemon.Root, variables, StringComparison.Ordinal);
        Assert.DoesNotContain("STINT_ROOT", variables, StringComparison.Ordinal);
        Assert.DoesNotContain("DOTNET", variables, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_has_no_rights_at_all()
    {
        var status = (await shared.AttackAsync("result = open('/proc/self/status').read()")).Split('\n').Select(static line => line.Split(':', 2, StringSplitOptions.TrimEntries)).Where(static pair => pair.Length == 2).ToDictionary(static pair => pair[0], static pair => pair[1]);
        foreach (var set in new[] { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" }) Assert.Equal("0000000000000000", status[set]);
        Assert.Equal("1", status["NoNewPrivs"]);
        Assert.Equal("2", status["Seccomp"]);
        Assert.Equal("1000", status["Uid"].Split('\t')[0]);
    }

    [Fact]
    public async Task Each_instance_is_another_unprivileged_user_on_the_host()
    {
        // Also those that are ready for a function and have none yet.
        var users = new List<string>();
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(static path => int.TryParse(Path.GetFileName(path), out _)))
        {
            try
            {
                if (!(await File.ReadAllTextAsync(Path.Combine(process, "cmdline"))).Contains("/run/runtimes/python3/runtime.py", StringComparison.Ordinal)
                    || !ProcessMounts.Include(process, Daemon.Root)
                    || !(await File.ReadAllTextAsync(Path.Combine(process, "comm"))).StartsWith("python", StringComparison.Ordinal)) continue;
                users.Add(File.ReadLines(Path.Combine(process, "status")).First(static line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1]);
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }
        var instances = 0;
        foreach (var name in new[] { "attacker", "networked", "victim" }) instances += (await Daemon.DescribeAsync(name)).GetProperty("instanceList").GetArrayLength();
        Assert.True(users.Count >= instances, $"{users.Count} processes, {instances} instances");
        Assert.Equal(users.Distinct(), users);
        Assert.All(users, static user => Assert.InRange(int.Parse(user, CultureInfo.InvariantCulture), SandboxUsers.First, SandboxUsers.End - 1));
    }

    [Theory]
    [InlineData("/usr/bin/su", "-c id"), InlineData("/usr/bin/mount", "-t tmpfs none /tmp"), InlineData("/usr/bin/passwd", "-d root")]
    public async Task A_setuid_program_gives_nothing(string program, string arguments)
    {
        var result = await shared.AttackAsync($$"""
            import subprocess, os
            if not os.path.exists('{{program}}'): result = 'missing'
            else:
                done = subprocess.run(['{{program}}'] + '{{arguments}}'.split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
                result = 'root' if b'uid=0' in done.stdout else 'nothing' if done.returncode else 'did ' + str(done.stdout)
            """);
        Assert.Contains(result, (string[])["nothing", "missing"]);
    }

    private async Task UnharmedAsync() => Assert.Equal((200, "unharmed"), await Daemon.CallAsync("victim"));
}
