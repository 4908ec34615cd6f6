// Several test runs may go on at one machine at a time, beside an engine of the developer's own. Each takes a slot, which is a number, and with it a folder, a range of addresses and a name for
// chains of iptables. What lies in a slot that nobody holds is left of a run that was killed, and is removed by whoever takes it next.
using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using Stint.Backends.Processes.Spawning;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>A place on this machine for one test engine.</summary>
internal sealed class TestEngineSlot : IDisposable
{
    private const int Slots = 16;
    private const UnixFileMode Program = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly FileStream _lock;
    private readonly int _number;
    private readonly bool _forwarded = ReadForwarding();

    private TestEngineSlot(FileStream held, int number)
    {
        (_lock, _number) = (held, number);
        Folder = $"/tmp/stint-engine-{number}";
    }

    /// <summary>Everything of the engine lies here.</summary>
    public string Folder { get; }

    /// <summary>Folder of programs that come before all others for the engine.</summary>
    public string Programs => Path.Combine(Folder, "bin");

    /// <summary>The slot's addresses as a /19, out of 198.18.0.0/15, which RFC 2544 keeps free for tests: no machine's real network has them.</summary>
    public IPNetwork Addresses => Subnet(0, 19);

    /// <summary>The engine's own networks' part of them.</summary>
    public IPNetwork EngineAddresses => Subnet(0, 20);

    /// <summary>The part that tests give out.</summary>
    public IPNetwork TestAddresses => Subnet(16, 20);

    /// <summary>What stands for "DOCKER" in the names of the engine's chains; as long as that, because names may have 28 characters.</summary>
    private string Chains => $"STINT{_number:X}";

    /// <summary>Takes a slot and clears it.</summary>
    public static async Task<TestEngineSlot> TakeAsync()
    {
        for (var number = 0; number < Slots; number++)
        {
            FileStream held;
            try
            {
                held = new FileStream($"/tmp/stint-engine-{number}.lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                continue; // another run's
            }
            var slot = new TestEngineSlot(held, number);
            await slot.ClearAsync();
            slot.Prepare();
            return slot;
        }
        throw new InvalidOperationException($"all {Slots} places for test engines are taken: see who holds /tmp/stint-engine-*.lock");
    }

    /// <summary>Removes all that an engine in this slot has made on the host: processes, mounts, bridges, rules of iptables, files.</summary>
    public async Task ClearAsync()
    {
        await Fixtures.Retry.UntilAsync($"no process of {Folder} is left", () =>
        {
            var found = Processes().ToList();
            foreach (var id in found) _ = Posix.kill(id, Posix.SigKill);
            return found.Count == 0;
        });
        await Fixtures.Retry.UntilAsync($"nothing is mounted in {Folder}", async () =>
        {
            var mounts = await MountsAsync();
            foreach (var mount in mounts.Reverse()) await RunAsync("umount", "-l", mount);
            return mounts.Count == 0;
        });
        foreach (var bridge in NetworkInterface.GetAllNetworkInterfaces().Where(IsOurs)) await RunAsync("ip", "link", "delete", bridge.Name);
        if (File.Exists("/usr/sbin/iptables")) foreach (var table in (string[])["filter", "nat"]) await ClearRulesAsync(table);
        if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
    }

    /// <summary>What is still there of an engine in this slot.</summary>
    public async Task<IReadOnlyList<string>> FindLeftoversAsync()
    {
        var found = Processes().Select(static id => $"process {id}").ToList();
        found.AddRange((await MountsAsync()).Select(static mount => $"mount {mount}"));
        found.AddRange(NetworkInterface.GetAllNetworkInterfaces().Where(IsOurs).Select(static bridge => $"interface {bridge.Name}"));
        foreach (var table in (string[])["filter", "nat"]) found.AddRange((await RulesAsync(table)).Select(rule => $"{table}: {rule}"));
        if (Directory.Exists(Folder)) found.Add(Folder);
        return found;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The engine turns it on for the whole machine.
        if (!_forwarded && ReadForwarding()) File.WriteAllText("/proc/sys/net/ipv4/ip_forward", "0");
        _lock.Dispose();
    }

    private static bool ReadForwarding() => File.ReadAllText("/proc/sys/net/ipv4/ip_forward").Trim() == "1";

    private IPNetwork Subnet(int thirdByte, int length) => new(new IPAddress([198, (byte)(18 + _number / 8), (byte)(_number % 8 * 32 + thirdByte), 0]), length);

    // Two engines of one machine flush each other's chains, because both call them DOCKER…: ours calls them otherwise. And it leaves the policy of FORWARD as it is.
    private void Prepare()
    {
        Directory.CreateDirectory(Programs);
        foreach (var name in (string[])["iptables", "ip6tables"])
        {
            var path = Path.Combine(Programs, name);
            File.WriteAllText(path, $"#!/bin/bash\n[[ \"$*\" != *\"-P FORWARD\"* ]] || exit 0\nexec /usr/sbin/{name} \"${{@//DOCKER/{Chains}}}\"\n");
            File.SetUnixFileMode(path, Program);
        }
    }

    private bool IsOurs(NetworkInterface candidate) => candidate.GetIPProperties().UnicastAddresses.Any(address => Addresses.Contains(address.Address));

    private IEnumerable<int> Processes()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var id)) continue;
            string command;
            try
            {
                command = File.ReadAllText(Path.Combine(folder, "cmdline"));
                // What runs in a container does not know the folder; its root file system does.
                if (!command.Contains(Folder + "/", StringComparison.Ordinal) && !IsInContainer(folder)) continue;
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                continue;
            }
            yield return id;
        }
    }

    private bool IsInContainer(string process) =>
        File.ReadLines(Path.Combine(process, "mountinfo")).Any(line => line.Split(' ') is { Length: > 4 } fields && fields[4] == "/" && line.Contains(Folder + "/data/", StringComparison.Ordinal));

    private async Task<IReadOnlyList<string>> MountsAsync() =>
        [.. (await File.ReadAllLinesAsync("/proc/self/mountinfo")).Select(static line => line.Split(' ')[4]).Where(path => path.StartsWith(Folder + "/", StringComparison.Ordinal))];

    private async Task ClearRulesAsync(string table)
    {
        foreach (var rule in (await RulesAsync(table)).Where(static rule => rule.StartsWith("-A ", StringComparison.Ordinal)))
            await RunAsync("/usr/sbin/iptables", ["--wait", "-t", table, "-D", .. rule["-A ".Length..].Split(' ')]);
        foreach (var chain in (await RulesAsync(table)).Where(static rule => rule.StartsWith("-N ", StringComparison.Ordinal)).ToList())
            await RunAsync("/usr/sbin/iptables", "--wait", "-t", table, "-X", chain["-N ".Length..]);
    }

    private async Task<IReadOnlyList<string>> RulesAsync(string table)
    {
        if (!File.Exists("/usr/sbin/iptables")) return [];
        var bridges = NetworkInterface.GetAllNetworkInterfaces().Where(IsOurs).Select(static bridge => bridge.Name).ToList();
        var rules = (await RunAsync("/usr/sbin/iptables", "--wait", "-t", table, "-S")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return [.. rules.Where(rule => rule.Split(' ').Any(word =>
            word.StartsWith(Chains, StringComparison.Ordinal) || bridges.Contains(word) || IPNetwork.TryParse(word, out var subnet) && Addresses.Contains(subnet.BaseAddress)))];
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await error;
        await process.WaitForExitAsync();
        return output;
    }
}
