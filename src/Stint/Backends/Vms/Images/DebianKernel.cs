using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Stint.Backends.Containers.Images;

namespace Stint.Backends.Vms.Images;

/// <summary>Debian's kernel for virtual machines, for hosts that have none installed: containers, and hosts whose kernel cannot be read. It is fetched by <c>apt-get</c> and unpacked, not installed.</summary>
internal static partial class DebianKernel
{
    private static readonly string[] ModuleFolders = ["lib/modules", "usr/lib/modules"];

    /// <summary>The kernel, fetched unless a folder has it from before.</summary>
    /// <param name="cache">The folder that keeps it.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="VmImageException">It cannot be fetched; the message says which other ways there are.</exception>
    public static async Task<GuestKernel> GetAsync(string cache, Action<string> onStep, CancellationToken cancellationToken)
    {
        if (FindIn(cache) is { } present) return present;
        var meta = "linux-image-cloud-" + (RuntimeInformation.OSArchitecture == Architecture.X64 ? "amd64" : throw new VmImageException("images can be made for x86-64 only"));
        onStep($"fetching a kernel: {meta}");
        var depends = await OutputAsync("apt-cache", ["depends", meta], cancellationToken).ConfigureAwait(false);
        var package = Depends().Match(depends) is { Success: true } match ? match.Groups[1].Value : throw None("apt knows no package linux-image-cloud-amd64 (apt-get update?)");
        Directory.CreateDirectory(cache);
        var passing = Path.Combine(cache, $".{Guid.NewGuid():N}");
        var download = Directory.CreateTempSubdirectory("stint-kernel-").FullName;
        try
        {
            // apt-get writes into its working folder.
            await OutputAsync("sh", ["-c", "cd \"$1\" && apt-get -qq download \"$2\"", "sh", download, package], cancellationToken).ConfigureAwait(false);
            var file = Directory.EnumerateFiles(download, "*.deb").SingleOrDefault() ?? throw None($"apt-get download {package} brought nothing");
            onStep($"unpacking {package}");
            await OutputAsync("dpkg-deb", ["-x", file, passing], cancellationToken).ConfigureAwait(false);
            var folder = Path.Combine(cache, package);
            if (!Directory.Exists(folder)) Directory.Move(passing, folder);
        }
        catch (IOException full) when (VmImageException.IsDiskFull(full))
        {
            throw VmImageException.DiskFull(cache, 128 << 20, full);
        }
        finally
        {
            Directory.Delete(download, recursive: true);
            if (Directory.Exists(passing)) Directory.Delete(passing, recursive: true);
        }
        return FindIn(cache) ?? throw None($"{package} has no /boot/vmlinuz");
    }

    /// <summary>The newest that a folder has; null when it has none.</summary>
    public static GuestKernel? FindIn(string cache)
    {
        if (!Directory.Exists(cache)) return null;
        foreach (var folder in new DirectoryInfo(cache).EnumerateDirectories("linux-image-*").OrderByDescending(static folder => folder.LastWriteTimeUtc).Select(static folder => folder.FullName))
        {
            if (Directory.Exists(Path.Combine(folder, "boot")) && Directory.EnumerateFiles(Path.Combine(folder, "boot"), "vmlinuz-*").FirstOrDefault() is { } file)
            {
                var kernel = GuestKernel.Open(file, null);
                var modules = ModuleFolders.Select(under => Path.Combine(folder, under, kernel.Version)).FirstOrDefault(Directory.Exists);
                return kernel with { Modules = modules };
            }
        }
        return null;
    }

    private static async Task<string> OutputAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        var output = new List<string>();
        int code;
        try
        {
            code = await HostCommand.RunAsync(program, arguments, output.Add, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException missing)
        {
            throw None(missing.Message);
        }
        var text = string.Join('\n', output);
        return code == 0 ? text : throw None($"{program} {string.Join(' ', arguments.Where(static argument => !argument.Contains(' ', StringComparison.Ordinal)))} ended with {code}: {text.Trim()}");
    }

    private static VmImageException None(string why) =>
        new($"there is no kernel for the guest: none in /boot with its modules in /lib/modules, and none could be fetched: {why}. Name one with --kernel FILE, or install one: apt-get install linux-image-cloud-amd64");

    [GeneratedRegex(@"^\s+Depends: (linux-image-[a-z0-9.+-]+)", RegexOptions.Multiline)]
    private static partial Regex Depends();
}
