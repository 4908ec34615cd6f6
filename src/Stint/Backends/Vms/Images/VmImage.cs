using Stint.Backends.Processes;
using Stint.Functions;

namespace Stint.Backends.Vms.Images;

/// <summary>What a machine boots: absolute paths of three files.</summary>
/// <param name="Kernel">An ELF file, which every hypervisor here boots.</param>
/// <param name="Initramfs">The initramfs with the guest's drivers and init.</param>
/// <param name="Disk">The disk with the function, ext4.</param>
internal sealed record VmImage(string Kernel, string Initramfs, string Disk)
{
    /// <summary>Names of the files in a folder.</summary>
    public const string KernelName = "vmlinux", InitramfsName = "initramfs", DiskName = "function.ext4";

    /// <summary>Makes all three in a folder: each appears complete or not at all.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="bundle">The folder of the built code.</param>
    /// <param name="spec">What <c>function.toml</c> says, with its <c>[process]</c>.</param>
    /// <param name="interpreters">The interpreters, with their paths on this host.</param>
    /// <param name="runtimes">The folder of our runtimes.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="VmImageException">This host lacks something; the message says what.</exception>
    public static async Task<VmImage> MakeAsync(string folder, GuestKernel kernel, string bundle, FunctionSpec spec, RuntimeInterpreters interpreters, string runtimes, Action<string> onStep, CancellationToken cancellationToken)
    {
        var scratch = Path.Combine(folder, $".making-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(scratch, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            await MakeBootAsync(scratch, kernel, runtimes, onStep, cancellationToken).ConfigureAwait(false);
            await FunctionDisk.MakeAsync(Path.Combine(scratch, DiskName), bundle, spec, interpreters, runtimes, scratch, onStep, cancellationToken).ConfigureAwait(false);
            foreach (var name in (string[])[KernelName, InitramfsName, DiskName]) File.Move(Path.Combine(scratch, name), Path.Combine(folder, name), overwrite: true);
            return new VmImage(Path.Combine(folder, KernelName), Path.Combine(folder, InitramfsName), Path.Combine(folder, DiskName));
        }
        catch (IOException full) when (VmImageException.IsDiskFull(full))
        {
            throw VmImageException.DiskFull(folder, 64 << 20, full);
        }
        finally
        {
            if (Directory.Exists(scratch)) Directory.Delete(scratch, recursive: true);
        }
    }

    /// <summary>Makes kernel and initramfs, which are the same for all functions.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="runtimes">The folder of our runtimes, the guest's init among them.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="VmImageException">This host lacks something; the message says what.</exception>
    public static async Task MakeBootAsync(string folder, GuestKernel kernel, string runtimes, Action<string> onStep, CancellationToken cancellationToken)
    {
        onStep($"taking the kernel {kernel.Version}");
        await KernelImage.WriteElfAsync(kernel, Path.Combine(folder, KernelName), cancellationToken).ConfigureAwait(false);
        InitramfsFile.Write(Path.Combine(folder, InitramfsName), Path.Combine(runtimes, "guest", "init"), await KernelModules.SelectAsync(kernel, cancellationToken).ConfigureAwait(false));
    }
}
