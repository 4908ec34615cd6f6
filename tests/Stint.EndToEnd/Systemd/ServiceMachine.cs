using System.Diagnostics;
using System.Text;
using Stint.Backends.Vms.Images;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Systemd;

/// <summary>
/// A virtual machine with systemd as its first process and control groups version 2, as users have them and our own machines do not. Its root is this host's, over 9p and read-only, with a layer in
/// memory on top; of systemd's units it has only <c>deploy/systemd/stint.service</c> and the script's.
/// </summary>
internal static class ServiceMachine
{
    private const string Kernels = "/var/cache/stint/kernels-9p";
    private const string Begin = "<<<report", End = "report>>>";

    // A machine that is interpreted, on a host that does other things.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(15);

    /// <summary>Boots it, runs the script as root beside the service, and returns what each of its <c>step NAME COMMAND…</c> printed and how it ended, by the names.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> RunAsync(string script)
    {
        var folder = Directory.CreateTempSubdirectory("stint-systemd-").FullName;
        try
        {
            var console = await BootAsync(folder, await WriteInitramfsAsync(folder, script));
            return Read(console);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> WriteInitramfsAsync(string folder, string script)
    {
        var modules = Directory.GetDirectories(Path.Combine(Kernels, "lib/modules")).Single();
        var selected = await KernelModules.SelectAsync(GuestKernel.Open(Kernel, modules), default);
        var path = Path.Combine(folder, "initramfs");
        await using var stream = File.Create(path);
        var archive = new CpioWriter(stream);
        foreach (var each in new[] { "bin", "dev", "proc", "host", "layer", "root", "modules", "units" }) archive.AddFolder(each);
        archive.AddDevice("dev/console", 5, 1);
        archive.AddFile("bin/busybox", await File.ReadAllBytesAsync("/bin/busybox"), isExecutable: true);
        foreach (var (index, module) in selected.Index()) archive.AddFile($"modules/{index:00}-{module.Name}.ko", module.Content);
        archive.AddFile("modules/99-overlay.ko", await File.ReadAllBytesAsync(Path.Combine(modules, "kernel/fs/overlayfs/overlay.ko")));
        archive.AddFile("init", Encoding.UTF8.GetBytes(Init(Path.GetDirectoryName(Programs.Assembly)!, Path.GetDirectoryName(Environment.ProcessPath)!)), isExecutable: true);
        archive.AddFile("units/stint.service", await File.ReadAllBytesAsync(Path.Combine(Programs.Repository, "deploy/systemd/stint.service")));
        archive.AddFile("units/test.service", "[Service]\nExecStart=/bin/bash /etc/stint-test.sh\n"u8);
        archive.AddFile("units/test.target", "[Unit]\nRequires=basic.target stint.service test.service\nAfter=basic.target\n"u8);
        archive.AddFile("stint", "#!/bin/sh\nexport DOTNET_EnableDiagnostics=0\nexec /opt/dotnet/dotnet /opt/stint/stint.dll \"$@\"\n"u8, isExecutable: true);
        archive.AddFile("stint-test.sh", Encoding.UTF8.GetBytes(Prologue + script + Epilogue));
        archive.End();
        return path;
    }

    private static string Kernel => Directory.GetFiles(Path.Combine(Kernels, "boot"), "vmlinuz-*").Single();

    // Programs of this repository and .NET may lie where the service sees nothing (ProtectHome=, PrivateTmp=).
    private static string Init(string program, string dotnet) => $"""
        #!/bin/busybox sh
        b=/bin/busybox
        $b mount -t proc proc /proc; $b mount -t devtmpfs dev /dev
        for module in /modules/*; do $b insmod $module; done
        $b mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /host
        $b mount -t tmpfs layer /layer; $b mkdir /layer/upper /layer/work
        $b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /root
        $b mkdir -p /root/opt/stint /root/opt/dotnet /root/usr/local/bin
        $b mount -o bind '/host{program}' /root/opt/stint; $b mount -o bind '/host{dotnet}' /root/opt/dotnet
        cd /root/etc
        $b rm -rf systemd/system stint fstab; $b mkdir systemd/system; $b touch fstab
        $b cp /units/* systemd/system; $b ln -s test.target systemd/system/default.target
        for unit in systemd-tmpfiles-setup systemd-tmpfiles-clean systemd-update-utmp systemd-update-done systemd-hwdb-update systemd-sysusers networking ldconfig; do $b ln -s /dev/null systemd/system/$unit.service; done
        $b cp /stint-test.sh .; $b cp /stint /root/usr/local/bin/stint; $b chmod 755 /root/usr/local/bin/stint
        printf '127.0.0.1 localhost\n::1 localhost\n' > hosts
        for folder in var/lib/stint var/log; do $b mkdir -p /root/$folder; $b mount -t tmpfs tmpfs /root/$folder; done
        $b umount /proc; cd /; exec $b switch_root /root /lib/systemd/systemd

        """;

    private const string Prologue = """
        cd /run; export HOME=/run NO_COLOR=1
        until_active() { for i in $(seq 300); do [ "$(systemctl is-active stint)" = active ] && return; sleep 1; done; }
        step() { name=$1; shift; echo "step $name" >> /run/report; "$@" >> /run/report 2>&1; echo "exit $?" >> /run/report; }

        """;

    private const string Epilogue = $"\n{{ echo; echo '{Begin}'; cat /run/report; echo '{End}'; }} > /dev/ttyS0\nsync; sleep 1; systemctl poweroff --force --force\n";

    private static async Task<string> BootAsync(string folder, string initramfs)
    {
        var console = Path.Combine(folder, "console");
        string[] arguments =
        [
            "-accel", "tcg", "-cpu", "max", "-M", "q35", "-m", "1536", "-smp", "2", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", $"file:{console}",
            "-kernel", Kernel, "-initrd", initramfs, "-append",
            // An emulated processor has better things to do than to compile twice what is called 30 times.
            "console=ttyS0 quiet loglevel=1 panic=-1 systemd.show_status=0 systemd.unified_cgroup_hierarchy=1 systemd.setenv=DOTNET_TC_CallCountThreshold=3E8 systemd.setenv=DOTNET_TieredPGO=0",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ];
        using var process = Process.Start(Programs.Prepare(["qemu-system-x86_64", .. arguments], folder))!;
        process.StandardInput.Close();
        var said = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
        }
        return string.Concat(await said) + (File.Exists(console) ? await File.ReadAllTextAsync(console) : "");
    }

    private static Dictionary<string, string> Read(string console)
    {
        var text = console.ReplaceLineEndings("\n");
        int begin = text.IndexOf(Begin, StringComparison.Ordinal), end = text.IndexOf(End, StringComparison.Ordinal);
        if (begin < 0 || end < begin) throw new InvalidOperationException($"the machine did not report; its console:\n{text[Math.Max(0, text.Length - 8000)..]}");
        return text[(begin + Begin.Length)..end].Split("\nstep ", StringSplitOptions.RemoveEmptyEntries).Select(static step => step.Trim().Split('\n', 2)).Where(static step => step.Length == 2)
            .ToDictionary(static step => step[0], static step => step[1]);
    }
}
