using System.Reflection;
using System.Security.Cryptography;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Hosting;

/// <summary>The code that runs beside functions: it travels inside the executable and is unpacked into the state folder, readable by every sandbox's user.</summary>
internal static class RuntimeFiles
{
    private const string Prefix = "runtimes/";
    private const UnixFileMode FileMode0644 = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Unpacks the files into a folder named by their content, unless it is there already; folders of other versions go.</summary>
    /// <returns>The folder.</returns>
    public static string Unpack(string state)
    {
        var assembly = Assembly.GetExecutingAssembly();
        var files = assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal)
            .Select(name => (Path: name[Prefix.Length..], Content: Read(assembly, name))).ToList();
        var parent = Path.Combine(state, "runtimes");
        Directory.CreateDirectory(parent);
        File.SetUnixFileMode(parent, HostPrograms.TraversableFolder);
        var folder = Path.Combine(parent, Hash(files));
        if (!Directory.Exists(folder)) Write(files, folder);
        foreach (var other in Directory.GetDirectories(parent).Where(other => other != folder)) Directory.Delete(other, recursive: true);
        return folder;
    }

    private static void Write(List<(string Path, byte[] Content)> files, string folder)
    {
        var fresh = folder + ".new";
        if (Directory.Exists(fresh)) Directory.Delete(fresh, recursive: true);
        foreach (var (path, content) in files)
        {
            var file = Path.Combine(fresh, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllBytes(file, content);
            File.SetUnixFileMode(file, FileMode0644);
        }
        foreach (var made in Directory.GetDirectories(fresh, "*", SearchOption.AllDirectories).Append(fresh))
            File.SetUnixFileMode(made, HostPrograms.TraversableFolder | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        Directory.Move(fresh, folder);
    }

    private static byte[] Read(Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream(name)!;
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    private static string Hash(List<(string Path, byte[] Content)> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (path, content) in files)
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes($"{path}\0{content.Length}\0"));
            hash.AppendData(content);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
