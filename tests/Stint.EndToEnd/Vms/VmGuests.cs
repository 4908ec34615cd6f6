using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>Tests that boot machines do it one after the other, and share what they boot.</summary>
[CollectionDefinition(Name)]
public sealed class VmCollection : ICollectionFixture<VmGuests>
{
    /// <summary>Its name.</summary>
    public const string Name = "virtual machines";
}

/// <summary>
/// A machine that <c>stint vm image build</c> made: how many calls it has had, random numbers and the time. With it a second kernel, Debian's for all kinds of machines, because the one for virtual machines has no 9p.
/// </summary>
public sealed class VmGuests : IAsyncLifetime
{
    /// <summary>What every guest of ours has on its command line but for where the callback goes.</summary>
    private const string Base = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on ip=%ip::%gateway:%netmask:vm:eth0:off";

    /// <summary>A command line whose guest calls back.</summary>
    internal const string Cmdline = Base + " callback=%callback";

    /// <summary>A command line whose guest has the callback's URL, and makes no use of it.</summary>
    internal const string MuteCmdline = Base + " unused=%callback";

    private const string Code = """
        import os, time
        calls = 0
        def fn(input):
            global calls
            calls += 1
            return f"{calls} {os.urandom(8).hex()} {time.time():.2f} {input}"
        """;

    private static readonly string Kernels = "/var/cache/stint/kernels-9p";

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-guests-").FullName;

    /// <summary>The machine's folder.</summary>
    internal string Machine => Path.Combine(_folder, "machine");

    /// <summary>The same with its disk unpacked into a folder, and a kernel and drivers for that.</summary>
    internal string NinePMachine => Path.Combine(_folder, "9p");

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        var function = Path.Combine(_folder, "function");
        FunctionFiles.Write(function, ("fn.py", Code));
        await BuildAsync(function, "-o", Machine);
        var kernel = Directory.GetFiles(Path.Combine(Kernels, "boot"), "vmlinuz-*").Single();
        await BuildAsync(function, "-o", NinePMachine, "--kernel", kernel, "--modules", Directory.GetDirectories(Path.Combine(Kernels, "lib/modules")).Single());
        var unpacked = Path.Combine(NinePMachine, "folder");
        Directory.CreateDirectory(unpacked);
        (await Programs.RunAsync(["/usr/sbin/debugfs", "-R", $"rdump / {unpacked}", Path.Combine(NinePMachine, "function.ext4")], _folder)).Good();
    }

    /// <inheritdoc/>
    public Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>Puts a function into a daemon's registry by hand, as UniFaaS's users do.</summary>
    /// <param name="daemon">The daemon.</param>
    /// <param name="name">The function.</param>
    /// <param name="top">Keys of the function.</param>
    /// <param name="vm">Keys of <c>[vm]</c> besides the files and memory.</param>
    /// <param name="machine">Where the files are; null = <see cref="Machine"/>.</param>
    /// <param name="image">The disk's name there.</param>
    /// <param name="memory">Of the guest, MiB.</param>
    internal void Put(StintDaemon daemon, string name, string top, string vm, string? machine = null, string image = "function.ext4", int memory = 192)
    {
        machine ??= Machine;
        var folder = Path.Combine(daemon.Registry, name);
        // A machine that boots on a busy computer without KVM takes its time.
        var toml = $"boot-timeout = 120\n{top}\n[vm]\nkernel = \"{machine}/vmlinux\"\ninitrd = \"{machine}/initramfs\"\nimage = \"{machine}/{image}\"\nmemory = {memory}\n{vm}\n";
        if (top.Contains("boot-timeout", StringComparison.Ordinal)) toml = toml[(toml.IndexOf('\n', StringComparison.Ordinal) + 1)..];
        Directory.CreateDirectory(folder);
        var written = Path.Combine(daemon.Root, $"{name}.toml");
        File.WriteAllText(written, toml);
        File.Move(written, Path.Combine(folder, "function.toml"), overwrite: true);
    }

    private async Task BuildAsync(params string[] arguments) => (await Programs.RunAsync([.. Programs.Stint, "vm", "image", "build", .. arguments], _folder)).Good();
}
