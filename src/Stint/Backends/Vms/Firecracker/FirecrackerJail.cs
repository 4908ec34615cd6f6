// Firecracker's jailer (docs/jailer.md of Firecracker) in place of our sandbox, for those whose rules ask for it. It is started as root, and makes
//
//   FOLDER/jail/firecracker/ID/root/      a chroot with nothing in it but the program, its devices and the files of the machine
//
// then becomes the instance's user and runs Firecracker. That clears the signal that would end it with the daemon (prctl(2), PR_SET_PDEATHSIG), so bubblewrap stands before it once more, with nothing but a namespace of
// processes of its own: when that ends, all in it ends.
using System.Globalization;
using System.Runtime.InteropServices;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms.Disks;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Firecracker;

/// <summary>The jail of one machine.</summary>
/// <param name="jailer">The jailer.</param>
/// <param name="program">Firecracker.</param>
/// <param name="plan">The machine.</param>
internal sealed partial class FirecrackerJail(string jailer, string program, VmPlan plan)
{
    private string Base => Path.Combine(plan.Folder, "jail");

    /// <summary>What will be its root.</summary>
    public string Root => Path.Combine(Base, Path.GetFileName(program), plan.Id, "root");

    /// <summary>Makes the folders; the jailer is content to find them.</summary>
    public void Prepare()
    {
        Directory.CreateDirectory(Root);
        foreach (var folder in (string[])[Base, Path.GetDirectoryName(Path.GetDirectoryName(Root))!, Path.GetDirectoryName(Root)!, Root]) File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
        VmDisks.MakeFolder(Path.Combine(Root, "run"), plan.User);
    }

    /// <summary>Puts a file that is only read into the jail: a second name where that is possible, else a copy.</summary>
    /// <returns>Its path there.</returns>
    public string Give(string file, string name)
    {
        var path = Path.Combine(Root, name);
        if (link(file, path) != 0)
        {
            FileClone.Copy(file, path, CancellationToken.None);
            CodeTree.SetExecutable(path, false);
        }
        return Inside(path);
    }

    /// <summary>A path of the host in the jail, as it is there.</summary>
    public string Inside(string path) => "/" + Path.GetRelativePath(Root, path);

    /// <summary>The command that runs Firecracker in the jail.</summary>
    /// <param name="arguments">Firecracker's own.</param>
    public IReadOnlyList<string> Command(IReadOnlyList<string> arguments)
    {
        var user = (plan.User ?? 0).ToString(CultureInfo.InvariantCulture);
        return [jailer, "--id", plan.Id, "--exec-file", program, "--uid", user, "--gid", user, "--chroot-base-dir", Base, "--", .. arguments];
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string path, string name);
}
