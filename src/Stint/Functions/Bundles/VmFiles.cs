using System.Globalization;
using System.Text;
using Stint.Functions.Deployments;

namespace Stint.Functions.Bundles;

/// <summary>One of the files (or with 9p the folder) that a virtual machine is made of.</summary>
/// <param name="Name">Its name in the bundle, which is the key in <c>function.toml</c> as well.</param>
/// <param name="Path">Where it lies.</param>
/// <param name="IsFolder">Whether it must be a folder; else it must be a file.</param>
/// <param name="IsPinned">Whether instances see it as it was when the version was taken up; else they write to it.</param>
internal readonly record struct VmFile(string Name, string Path, bool IsFolder, bool IsPinned);

/// <summary>Finds, checks and identifies the files of a <c>[vm]</c> function.</summary>
internal static class VmFiles
{
    /// <summary>The kernel's name in the bundle.</summary>
    public const string Kernel = "kernel";

    /// <summary>The image's name in the bundle.</summary>
    public const string Image = "image";

    /// <summary>The initial file system's name in the bundle.</summary>
    public const string Initrd = "initrd";

    /// <summary>Moves when bundles are made differently, so that those of an older daemon are not used.</summary>
    private const string Format = "stint-vm 1";

    /// <summary>The files that the specification names, whether they exist or not.</summary>
    public static IReadOnlyList<VmFile> Of(VmSpec spec, string folder)
    {
        var files = new List<VmFile> { new(Kernel, At(spec.Kernel), false, true) };
        if (spec.Image is { } image) files.Add(new(Image, At(image), spec.Hypervisor.Disk == DiskType.NineP, spec.Hypervisor is not Hypervisor.Firecracker { CopyRootfs: false }));
        if (spec.Initrd is { } initrd) files.Add(new(Initrd, At(initrd), false, true));
        return files;

        string At(string path) => Path.GetFullPath(Path.Combine(folder, path));
    }

    /// <summary>Those that lie elsewhere than in the function's folder: what happens to them is not seen by looking at that.</summary>
    public static IEnumerable<VmFile> Outside(VmSpec spec, string folder) => Of(spec, folder).Where(file => !file.Path.StartsWith(folder + "/", StringComparison.Ordinal) || IsLink(file.Path));

    /// <summary>Makes sure that all are there.</summary>
    /// <exception cref="DeploymentException">One is not, or is something else.</exception>
    public static void Check(IEnumerable<VmFile> files)
    {
        foreach (var file in files)
        {
            if (file.IsFolder)
            {
                if (!Directory.Exists(file.Path)) throw Bad($"`{file.Name}` names {file.Path}, which is no folder, and with disk-type = \"9p\" the guest mounts one");
            }
            else if (Directory.Exists(file.Path)) throw Bad($"`{file.Name}` names {file.Path}, which is a folder; a file is needed{(file.Name == Image ? " (a folder only with disk-type = \"9p\")" : "")}");
            else if (!File.Exists(file.Path)) throw Bad($"`{file.Name}` names {file.Path}, which does not exist; put the file there, or name another");
            else if (!FileStat.TryRead(RealPath(file.Path), out var stat) || !stat.IsFile) throw Bad($"`{file.Name}` names {file.Path}, which is a device, pipe or socket; a plain file is needed");
        }
    }

    /// <summary>Makes sure that a function that somebody sent brings its files along: what else there is on the host is not for those who deploy to read.</summary>
    /// <exception cref="DeploymentException">One lies elsewhere.</exception>
    public static void RequireInside(VmSpec spec, string folder)
    {
        foreach (var file in Outside(spec, folder))
            throw Bad($"`{file.Name}` names {Shown(file)}, which is not a file among those that were sent; only functions that are put into the registry by hand may name files elsewhere on the host");

        string Shown(VmFile file) => Path.GetRelativePath(folder, file.Path) is var relative && relative.StartsWith("..", StringComparison.Ordinal) ? file.Path : relative;
    }

    /// <summary>
    /// The files' identity: what the file system says of them (inode, size, times), without reading them: a disk has gigabytes, and is read through when it is copied anyway. Equal files in two places
    /// are two.
    /// </summary>
    public static string Identify(IEnumerable<VmFile> files)
    {
        var text = new StringBuilder(Format);
        foreach (var file in files)
        {
            text.Append('\0').Append(file.Name).Append('\0');
            if (!file.IsPinned) text.Append(file.Path);
            else if (file.IsFolder) text.Append(BundleHash.Mark(file.Path));
            else if (FileStat.TryRead(RealPath(file.Path), out var stat)) text.Append(CultureInfo.InvariantCulture, $"{stat.Inode},{stat.Size},{stat.Modified},{stat.Changed}");
        }
        return BundleHash.OfTexts(text.ToString());
    }

    /// <summary>Puts checked files into a new folder, under their names in the bundle.</summary>
    public static void Copy(IEnumerable<VmFile> files, string target, CancellationToken cancellationToken)
    {
        CodeTree.MakeFolder(target);
        foreach (var file in files)
        {
            var to = Path.Combine(target, file.Name);
            if (!file.IsPinned) File.CreateSymbolicLink(to, RealPath(file.Path));
            else if (file.IsFolder) CopyFolder(file.Path, to);
            else
            {
                FileClone.Copy(RealPath(file.Path), to, cancellationToken);
                CodeTree.SetExecutable(to, false);
            }
        }
    }

    /// <summary>Links may lead anywhere: they are the guest's, which follows them in its own tree. Devices and pipes cannot be had in a bundle, and a guest makes its own.</summary>
    private static void CopyFolder(string folder, string to) =>
        CodeTree.Copy(folder, [.. CodeTree.Walk(folder).Where(static entry => entry.Stat.IsFile || entry.Stat.IsFolder || entry.Stat.IsLink)], to);

    private static bool IsLink(string path) => RealPath(path) != path;

    /// <summary>The path with the last link resolved; itself when it is none.</summary>
    private static string RealPath(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (IOException)
        {
            return path; // a link that leads nowhere or round in circles: does not exist, says Check
        }
    }

    private static DeploymentException Bad(string message) => new(DeploymentFault.BadRequest, message);
}
