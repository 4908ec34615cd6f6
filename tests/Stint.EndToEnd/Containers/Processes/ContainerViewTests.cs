using System.Globalization;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Sandboxing;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;
using Stint.EndToEnd.Sandbox;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>What a function in a container sees and may do: the probes of the sandbox's ViewTests, as far as an image of its own does not answer them by itself.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerViewTests(ContainerSandbox shared, TestEngine engine) : IClassFixture<ContainerSandbox>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task The_hosts_folders_are_not_there()
    {
        foreach (var path in new[] { Daemon.Root, Daemon.State, Daemon.Registry, Daemon.Run, engine.Folder, engine.Socket, "/run/docker.sock", "/var/run/docker.sock", "/home", "/opt", "/srv", "/mnt", "/boot", "/etc/shadow" })
            Assert.Equal("False", await shared.AttackAsync($"import os\nresult = os.path.lexists('{path}')"));
        Assert.Equal("runtimes socket", await shared.AttackAsync("import os\nresult = ' '.join(sorted(os.listdir('/stint')))"));
        Assert.Equal("fn.py", await shared.AttackAsync("import os\nresult = ' '.join(n for n in os.listdir('/fn') if n != '__pycache__')"));
    }

    [Fact]
    public async Task Other_functions_code_is_not_there() =>
        Assert.Equal("[]", await shared.AttackAsync($$"""
            import os
            result = []
            for root in ('/fn', '/stint', '/run', '/tmp', '/etc', '/dev', '/var'):
                for folder, _, files in os.walk(root):
                    for name in files:
                        path = os.path.join(folder, name)
                        try:
                            if os.path.isfile(path) and b'{{SandboxDaemon.Secret[..14]}}' b'{{SandboxDaemon.Secret[14..]}}' in open(path, 'rb').read(): result.append(path)
                        except OSError: pass
            """));

    [Fact]
    public async Task Nothing_can_be_written_but_what_is_its_own() =>
        Assert.Equal("['/tmp', '/dev/shm', '/dev/mqueue']", await shared.AttackAsync("""
            import os
            result = []
            for folder in ('/', '/fn', '/stint', '/stint/socket', '/stint/runtimes', '/usr', '/usr/bin', '/etc', '/dev', '/proc', '/sys', '/bin/', '/lib/', '/var', '/var/tmp', '/root', '/run', '/tmp', '/dev/shm', '/dev/mqueue'):
                path = os.path.join(folder, 'mine')
                try:
                    open(path, 'w').close()
                    os.remove(path)
                    result.append(folder)
                except OSError: pass
            """));

    [Fact]
    public async Task Only_its_own_processes_exist()
    {
        var commands = await shared.AttackAsync("import os\nresult = ' '.join(open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit())");
        Assert.All(commands.Split(' '), static name => Assert.Contains(name, (string[])["docker-init", "tini", "catatonit", "python3"]));
        Assert.Equal("False", await shared.AttackAsync($"import os\nresult = os.path.exists('/proc/{Daemon.ProcessId}')"));
    }

    [Fact]
    public async Task The_environment_holds_nothing_of_the_daemons()
    {
        var variables = await shared.AttackAsync("import os\nresult = '|'.join(f'{k}={v}' for k, v in sorted(os.environ.items()))");
        Assert.DoesNotContain(Daemon.Root, variables, StringComparison.Ordinal);
        Assert.DoesNotContain("STINT_ROOT", variables, StringComparison.Ordinal);
        Assert.DoesNotContain("DOTNET", variables, StringComparison.Ordinal);
        Assert.Contains("HOME=/tmp|", variables, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_has_no_rights_at_all()
    {
        var status = (await shared.AttackAsync("result = open('/proc/self/status').read()")).Split('\n').Select(static line => line.Split(':', 2, StringSplitOptions.TrimEntries)).Where(static pair => pair.Length == 2).ToDictionary(static pair => pair[0], static pair => pair[1]);
        foreach (var set in new[] { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" }) Assert.Equal("0000000000000000", status[set]);
        Assert.Equal("1", status["NoNewPrivs"]);
        Assert.Equal("2", status["Seccomp"]);
        Assert.InRange(int.Parse(status["Uid"].Split('\t')[0], CultureInfo.InvariantCulture), SandboxUsers.First, SandboxUsers.End - 1);
    }

    [Fact]
    public async Task Each_container_is_another_user_and_says_whose_it_is()
    {
        var containers = await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Role, ContainerLabels.ProcessRole), default);
        Assert.True(containers.Count >= 3, $"{containers.Count} containers");
        var users = new List<string>();
        foreach (var container in containers)
        {
            var details = await engine.Client.Containers.InspectAsync(container.Id, default);
            users.Add(details.Config!.User!);
            Assert.Equal("", container.Labels[ContainerLabels.TinyFaas]);
            Assert.NotEmpty(container.Labels[ContainerLabels.Instance]);
            Assert.True(details.HostConfig!.ReadonlyRootfs);
            Assert.Equal(["ALL"], details.HostConfig.CapDrop);
        }
        Assert.Equal(users.Distinct(), users);
        // A spare that became an instance is renamed behind the call's back.
        await Retry.UntilAsync("the victim's container has its name", async () =>
            (await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Role, ContainerLabels.ProcessRole), default)).Any(static container => container.Names.Any(static name => name.StartsWith("/stint-victim-", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(0x00020000, "CLONE_NEWNS"), InlineData(0x10000000, "CLONE_NEWUSER"), InlineData(0x20000000, "CLONE_NEWPID"), InlineData(0x40000000, "CLONE_NEWNET")]
    public async Task No_namespace_can_be_made(int flag, string name)
    {
        var result = await shared.AttackAsync($"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nr = libc.unshare({flag})\nresult = ctypes.get_errno() if r == -1 else 'made'");
        Assert.True(result == "1", $"{name}: {result}"); // EPERM
    }

    [Fact]
    public async Task Nothing_can_be_mounted_or_traced_or_loaded()
    {
        foreach (var call in new[] { "mount(b'none', b'/tmp', b'tmpfs', 0, None)", "umount2(b'/tmp', 0)", "chroot(b'/tmp')", "setns(0, 0)", "reboot(0)", "swapon(b'/x', 0)", "sethostname(b'x', 1)", "init_module(None, 0, None)" })
        {
            var result = await shared.AttackAsync($"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nr = libc.{call}\nresult = ctypes.get_errno() if r == -1 else 'did'");
            Assert.True(result == "1", $"{call}: {result}");
        }
    }
}
