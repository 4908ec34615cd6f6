using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>Functions that are machines of QEMU: real kernels boot, without KVM, to calls that are served.</summary>
[Collection(VmCollection.Name)]
public sealed partial class VmTests(VmGuests guests, VmTests.VmDaemon shared) : IClassFixture<VmTests.VmDaemon>
{
    // Debian's kernels know a microvm's devices by ACPI alone.
    internal const string MicroVm = "hypervisor = { type = \"microvm\", disk-type = \"block\", rtc = true, acpi = true }";
    internal const string Calls = "cmdline = \"" + VmGuests.Cmdline + "\"\n";

    private StintDaemon Daemon => shared.Daemon;

    public sealed class VmDaemon : SharedDaemon
    {
        internal VmHostNetwork Host { get; private set; } = null!;

        public override async Task DisposeAsync()
        {
            await base.DisposeAsync();
            Assert.Empty(await Host.LinksAsync());
            Host.Dispose();
        }

        private protected override async Task<DaemonSetup> SetupAsync()
        {
            Host = await VmHostNetwork.MakeAsync();
            return new DaemonSetup { Namespace = Host.Namespace, Flags = ["--kvm", "never", "--network-stock", "2"] };
        }
    }

    [Fact]
    public async Task One_microvm_boots_its_siblings_resume_and_one_that_is_killed_is_replaced()
    {
        await using var function = Put("micro", "concurrent-requests = 1\nmin-instances = 3\nmax-instances = 3\nkeepalive = -1", Calls + MicroVm);
        // Three at once, of which one has booted; all have the same addresses.
        await Retry.UntilAsync("three instances are idle", async () => await IdleAsync("micro") == 3, TimeSpan.FromMinutes(3));
        var machines = HypervisorProcess.Of(Daemon);
        Assert.Equal(3, machines.Count);
        Assert.Equal(2, machines.Count(static machine => machine.Command.Contains("-incoming", StringComparison.Ordinal)));

        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Daemon.CallAsync("micro", $"{i}")));
        Assert.All(answers, static answer => Assert.Equal(200, answer.Status));
        Assert.Equal(Enumerable.Range(0, 12).Select(static i => $"{i}"), answers.Select(static answer => answer.Body.Split(' ')[3]));

        var victim = machines.First(static machine => machine.Command.Contains("-incoming", StringComparison.Ordinal));
        Posix.Check(Posix.kill(victim.Id, Posix.SigKill), "kill");
        await Daemon.WaitForLogAsync("its hypervisor was killed by signal 9");
        await Retry.UntilAsync("the third is there again", async () => await IdleAsync("micro") == 3, TimeSpan.FromMinutes(3));
        Assert.Equal(200, (await Daemon.CallAsync("micro")).Status);
    }

    [Fact]
    public async Task A_PC_serves_from_a_disk_that_nobody_changes_and_goes_when_it_is_idle()
    {
        var before = await HashAsync();
        await using var function = Put("pc", "keepalive = 1", Calls + "snapshot = false\nhypervisor = { type = \"qemu\", disk-type = \"block\" }");
        var (status, body) = await CallWhenThereAsync("pc", "hello");
        Assert.True(status == 200, body);
        Assert.Matches("^1 [0-9a-f]{16} [0-9.]+ hello$", body);
        await Retry.UntilAsync("it has gone", () => HypervisorProcess.Of(Daemon).Count == 0 && Directory.GetDirectories(Path.Combine(Daemon.Temporary, "faas")).Length == 0);
        Assert.Equal(before, await HashAsync());

        async Task<string> HashAsync()
        {
            await using var image = File.OpenRead(Path.Combine(guests.Machine, "function.ext4"));
            return Convert.ToHexString(await SHA256.HashDataAsync(image));
        }
    }

    [Fact]
    public async Task A_guest_mounts_a_folder_over_9p()
    {
        await using var function = Put("shared", "keepalive = -1", Calls + "hypervisor = { type = \"qemu\", disk-type = \"9p\" }", guests.NinePMachine, "folder", memory: 256);
        var (status, body) = await CallWhenThereAsync("shared", "hello");
        Assert.True(status == 200, body);
        Assert.EndsWith(" hello", body, StringComparison.Ordinal);
        Assert.Contains("virtio-9p-pci", Assert.Single(HypervisorProcess.Of(Daemon)).Command, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_machine_for_one_call_serves_one_and_the_next_has_other_random_numbers_and_the_right_time()
    {
        await using var function = Put("once", "single-use = true\nmax-instances = 1", Calls.Replace("off callback", "off on-resume=/resumed callback", StringComparison.Ordinal) + "on-resume = \"/resumed\"\n" + MicroVm);
        var numbers = new HashSet<string>();
        for (var call = 0; call < 3; call++)
        {
            var sent = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;
            var (status, body) = await CallWhenThereAsync("once", "x");
            Assert.True(status == 200, body);
            var words = body.Split(' ');
            Assert.Equal("1", words[0]);
            Assert.True(numbers.Add(words[1]), "two machines have the same random numbers");
            // Of those that resume; the first has the time of its own clock, of whole seconds.
            if (call > 0) Assert.InRange(double.Parse(words[2], CultureInfo.InvariantCulture), sent - 0.1, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0 + 0.1);
        }
        await Retry.UntilAsync("the last has gone", () => HypervisorProcess.Of(Daemon).Count == 0);
    }

    [Fact]
    public async Task A_guest_that_does_not_call_back_is_given_up_and_nobody_else_can_call_for_it()
    {
        await using var function = Put("mute", "boot-timeout = 12", $"cmdline = \"{VmGuests.MuteCmdline}\"\nsnapshot = false\n{MicroVm}");
        var call = CallWhenThereAsync("mute", "x");
        await Retry.UntilAsync("its hypervisor runs", () => HypervisorProcess.Of(Daemon).Count == 1);
        var url = new Uri(CallbackUrl().Match(HypervisorProcess.Of(Daemon)[0].Command).Groups[1].Value);
        Assert.StartsWith("HTTP/1.1 403 ", await shared.Host.GetAsync(url), StringComparison.Ordinal);
        var (status, body) = await call;
        Assert.Equal(503, status);
        Assert.Contains("it was not ready within 12 s (boot-timeout): the guest did not make its callback", body, StringComparison.Ordinal);
        Assert.Contains("KVM does not work here", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_that_panics_is_no_instance_and_its_words_are_the_answer()
    {
        await using var function = Put("panic", "", $"cmdline = \"{VmGuests.Cmdline} rdinit=/nothing panic=0\"\n{MicroVm}");
        var (status, body) = await CallWhenThereAsync("panic", "x");
        Assert.Equal(503, status);
        Assert.Contains("the guest's kernel panicked: VFS: Unable to mount root fs", body, StringComparison.Ordinal);
        Assert.Contains("Kernel panic - not syncing", await Daemon.LogsAsync("panic"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deploy_makes_a_machine_of_a_process_function()
    {
        await using var deployed = new Deployed(Daemon, "shell");
        var folder = Path.Combine(Daemon.Root, "shell");
        FunctionFiles.Write(folder, ("function.toml", "boot-timeout = 120\nkeepalive = -1\n[process]\nruntime = \"binary\"\nmemory = 192\n"), ("code/fn.sh", "#!/bin/sh\necho \"$(cat) from $(uname -n)\"\n"));
        (await Daemon.CliAsync("deploy", folder, "--backend", "vm")).Good();
        Assert.Equal((200, "me from function\n"), await Daemon.CallAsync("shell", "me"));
        Assert.Equal("vm", (await Daemon.DescribeAsync("shell")).GetProperty("runtime").GetString());
        (await Daemon.CliAsync("rm", "shell")).Good();
        await Retry.UntilAsync("its machine has gone", () => HypervisorProcess.Of(Daemon).Count == 0);
        Assert.False(Directory.Exists(Path.Combine(Daemon.State, "vms", "snapshots", "shell")));
    }

    private async Task<int> IdleAsync(string name)
    {
        using var answer = await Daemon.Management.GetAsync($"stint/v1/functions/{name}");
        if (!answer.IsSuccessStatusCode) return 0;
        return System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("instances").GetProperty("idle").GetInt32();
    }

    /// <summary>Calls a function that has just been put into the registry.</summary>
    private async Task<(int Status, string Body)> CallWhenThereAsync(string name, string body)
    {
        await Daemon.WaitForLogAsync($"{name} serves version");
        return await Daemon.CallAsync(name, body);
    }

    private Deployed Put(string name, string top, string vm, string? machine = null, string image = "function.ext4", int memory = 192)
    {
        guests.Put(Daemon, name, top, vm, machine, image, memory);
        return new Deployed(Daemon, name);
    }

    /// <summary>A function that goes with its test, and its machines with it.</summary>
    private sealed class Deployed(StintDaemon daemon, string name) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            foreach (var folder in Directory.GetDirectories(daemon.Registry, name, SearchOption.AllDirectories)) Directory.Delete(folder, recursive: true);
            await Retry.UntilAsync("its machines have gone", () => HypervisorProcess.Of(daemon).Count == 0);
        }
    }

    [GeneratedRegex(@"unused=(http://\S+)")]
    private static partial Regex CallbackUrl();
}
