// The disk of a guest, and how a path of it comes about:
//
//   /usr /lib /bin …          interpreter, its standard library, shared libraries: this host's own, at the paths that they have here   HostRootfs
//   /fn                       the function's bundle, where the process sandbox has it
//   /stint/runtimes           our runtimes, serve.py among them
//   /stint/python3            link to the Python that runs serve.py
//   /stint/function, tmp      settings for serve.py and init
//
// The guest mounts it read-only, so that any number of instances can share one file. It has no journal therefore.
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Stint.Backends.Containers.Images;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Vms.Images;

/// <summary>Makes the ext4 image with a function and all that it needs, out of this host's own files.</summary>
internal static class FunctionDisk
{
    /// <summary>Bytes of all files on a disk that are still taken for a function and its interpreter rather than for a mistake.</summary>
    public const long MaxSize = 8L << 30;

    private const int Block = 4096;

    /// <summary>Makes it.</summary>
    /// <param name="target">The file to write.</param>
    /// <param name="bundle">The folder of the built code.</param>
    /// <param name="spec">What <c>function.toml</c> says, with its <c>[process]</c>.</param>
    /// <param name="interpreters">The interpreters, with their paths on this host.</param>
    /// <param name="runtimes">The folder of our runtimes.</param>
    /// <param name="scratch">An empty folder for what is put together; the caller removes it.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="VmImageException">This host lacks something, or the disk would be too large.</exception>
    /// <exception cref="InstanceStartException">An interpreter is missing.</exception>
    public static async Task MakeAsync(string target, string bundle, FunctionSpec spec, RuntimeInterpreters interpreters, string runtimes, string scratch, Action<string> onStep, CancellationToken cancellationToken)
    {
        var runtime = spec.Process!.Runtime;
        // binary's interpreter is Python, and so is serve.py's.
        var python = RuntimeCommand.Interpreter(Runtime.Python3, interpreters);
        var own = Path.Combine(scratch, "own");
        Directory.CreateDirectory(own);
        onStep("gathering the interpreter and its libraries");
        var rootfs = await HostRootfs.GatherAsync(runtime, RuntimeCommand.Interpreter(runtime, interpreters), own, withPackageTools: false, python, cancellationToken).ConfigureAwait(false);
        AddOwn(rootfs, own, python, spec, interpreters, runtimes);
        rootfs.AddTree(SandboxPaths.Code, bundle);
        if (rootfs.Size > MaxSize) throw new VmImageException($"the disk would have {rootfs.Size >> 20} MiB, more than {MaxSize >> 20}: leave large data out of the function's folder");
        try
        {
            onStep($"copying {rootfs.Entries.Count} files, {rootfs.Size >> 20} MiB");
            var tree = Path.Combine(scratch, "tree");
            await Task.Run(() => Copy(rootfs, tree, cancellationToken), cancellationToken).ConfigureAwait(false);
            onStep("making the file system");
            await FormatAsync(rootfs, tree, target, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException full) when (VmImageException.IsDiskFull(full))
        {
            throw VmImageException.DiskFull(Path.GetDirectoryName(target)!, rootfs.Size, full);
        }
    }

    private static void AddOwn(Rootfs rootfs, string own, string python, FunctionSpec spec, RuntimeInterpreters interpreters, string runtimes)
    {
        var folder = GuestFunction.Folder;
        rootfs.AddTree($"{folder}/runtimes", runtimes);
        rootfs.AddLink($"{folder}/python3", python);
        var settings = Path.Combine(own, "function");
        File.WriteAllBytes(settings, GuestFunction.Settings(spec, interpreters));
        rootfs.AddFile($"{folder}/function", settings);
        var tmp = Path.Combine(own, "tmp");
        File.WriteAllText(tmp, spec.Process!.TmpMiB.ToString(CultureInfo.InvariantCulture));
        rootfs.AddFile($"{folder}/tmp", tmp);
    }

    private static void Copy(Rootfs rootfs, string tree, CancellationToken cancellationToken)
    {
        const UnixFileMode mine = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        const UnixFileMode everybodyReads = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        const UnixFileMode everybodyRuns = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        Directory.CreateDirectory(tree);
        File.SetUnixFileMode(tree, RootfsEntry.Folder0755);
        foreach (var entry in rootfs.Entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var path = tree + entry.Path;
            if (entry.LinkTarget is { } link)
            {
                File.CreateSymbolicLink(path, link);
            }
            else if (entry.HostPath is { } from)
            {
                File.Copy(from, path);
                // The function is an ordinary user of its guest and must read all of it; nothing on the disk is a secret of somebody else's.
                var mode = entry.Mode | everybodyReads;
                if (mode.HasFlag(UnixFileMode.UserExecute)) mode |= everybodyRuns;
                File.SetUnixFileMode(path, mode | mine);
                File.SetLastWriteTimeUtc(path, entry.Modified.UtcDateTime);
                File.SetUnixFileMode(path, mode);
            }
            else
            {
                Directory.CreateDirectory(path);
                File.SetUnixFileMode(path, entry.Mode | mine);
            }
        }
    }

    private static async Task FormatAsync(Rootfs rootfs, string tree, string target, CancellationToken cancellationToken)
    {
        var program = HostPrograms.Find("mke2fs") ?? (File.Exists("/sbin/mke2fs") ? "/sbin/mke2fs" : throw new VmImageException("this host has no mke2fs, which makes the disk's file system. Install it: apt-get install e2fsprogs"));
        var inodes = rootfs.Entries.Count + 64;
        var blocks = rootfs.Entries.Sum(static entry => (entry.Size + Block - 1) / Block + (entry.HostPath is null && entry.LinkTarget is null ? 2 : 0));
        // Its own tables, and a twentieth for what is not counted here; the file is sparse, so that room on it costs nothing.
        blocks += inodes / 8 + blocks / 20 + 2048;
        var id = Identity(rootfs);
        List<string> arguments =
        [
            "-q", "-F", "-t", "ext4", "-b", $"{Block}", "-m", "0", "-N", $"{inodes}", "-O", "^has_journal,^resize_inode", "-L", "stint", "-U", $"{id}",
            "-E", $"root_owner=0:0,hash_seed={id},lazy_itable_init=1", "-d", tree, target, $"{blocks}",
        ];
        // Its own files must be root's in the guest: an ordinary user makes them so by being root of a user namespace.
        if (!Environment.IsPrivilegedProcess && HostPrograms.Find("unshare") is { } unshare)
        {
            arguments.InsertRange(0, ["--map-root-user", "--", program]);
            program = unshare;
        }
        var output = new StringBuilder();
        var code = await HostCommand.RunAsync(program, arguments, line => output.AppendLine(line), cancellationToken).ConfigureAwait(false);
        if (code == 0) return;
        if (output.ToString().Contains("No space left", StringComparison.Ordinal) && new DriveInfo(Path.GetDirectoryName(target)!).AvailableFreeSpace < blocks * Block) throw VmImageException.DiskFull(Path.GetDirectoryName(target)!, rootfs.Size);
        throw new VmImageException($"mke2fs ended with {code}: {output.ToString().Trim()}");
    }

    /// <summary>A UUID for the file system that depends on nothing but what is on it, so that equal disks have equal names.</summary>
    private static Guid Identity(Rootfs rootfs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var entry in rootfs.Entries)
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{entry.Path}\0{(int)entry.Mode}\0{entry.Size}\0{entry.LinkTarget}\n")));
        return new Guid(hash.GetHashAndReset().AsSpan(0, 16));
    }
}
