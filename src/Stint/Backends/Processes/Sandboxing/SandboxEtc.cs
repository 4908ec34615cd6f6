namespace Stint.Backends.Processes.Sandboxing;

/// <summary>
/// The <c>/etc</c> of every sandbox: a folder of our own with the few files that programs look for, so that one read-only mount shows no file of the host's, least of all its passwords.
/// </summary>
internal static class SandboxEtc
{
    /// <summary>Files that are empty in it and mounted from the host when a function may use the host's network.</summary>
    public static readonly string[] NetworkFiles = ["/etc/resolv.conf", "/etc/hosts"];

    // Copied as they are, when they exist: the dynamic linker's cache, the time zone, certificates, and the links behind names such as /usr/bin/awk.
    private static readonly string[] Copied = ["ld.so.cache", "ld.so.conf", "localtime", "timezone", "ssl/certs", "ssl/openssl.cnf", "alternatives", "mime.types", "protocols", "services", "ca-certificates.conf"];

    /// <summary>Writes the folder anew; sandboxes that are still running keep the old one.</summary>
    public static void Write(string folder)
    {
        var fresh = folder + ".new";
        if (Directory.Exists(fresh)) Directory.Delete(fresh, recursive: true);
        Directory.CreateDirectory(fresh);
        File.WriteAllText(Path.Combine(fresh, "passwd"), "function:x:1000:1000:function:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n");
        File.WriteAllText(Path.Combine(fresh, "group"), "function:x:1000:\nnogroup:x:65534:\n");
        File.WriteAllText(Path.Combine(fresh, "nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\nprotocols: files\nservices: files\n");
        File.WriteAllText(Path.Combine(fresh, "hosts"), "127.0.0.1 localhost\n::1 localhost\n");
        File.WriteAllText(Path.Combine(fresh, "resolv.conf"), "");
        File.WriteAllText(Path.Combine(fresh, "hostname"), "function\n");
        foreach (var name in Copied) CopyEntry(Path.Combine("/etc", name), Path.Combine(fresh, name));
        OpenToAll(fresh);

        // Not atomic as a pair, but nothing starts a sandbox while the daemon is still preparing.
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.Move(fresh, folder);
    }

    private static void CopyEntry(string from, string to)
    {
        try
        {
            if (new FileInfo(from).LinkTarget is { } target)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.CreateSymbolicLink(to, target);
            }
            else if (Directory.Exists(from))
            {
                Directory.CreateDirectory(to);
                foreach (var entry in Directory.EnumerateFileSystemEntries(from)) CopyEntry(entry, Path.Combine(to, Path.GetFileName(entry)));
            }
            else if (File.Exists(from))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(from, to);
            }
        }
        catch (UnauthorizedAccessException)
        {
            // A file that this daemon may not read (a private key beside certificates) is none that a function may see.
        }
    }

    private static void OpenToAll(string folder)
    {
        const UnixFileMode folderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        const UnixFileMode fileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        File.SetUnixFileMode(folder, folderMode);
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            if (entry.LinkTarget is not null) continue;
            if (entry is DirectoryInfo) OpenToAll(entry.FullName);
            else File.SetUnixFileMode(entry.FullName, fileMode);
        }
    }
}
