using System.IO.Compression;

namespace Stint.EndToEnd.Fixtures;

/// <summary>Files of a function, as a zip or as a folder.</summary>
internal static class FunctionFiles
{
    /// <summary>A zip with these files, as <c>zip -r - ./*</c> makes it: no leading folder.</summary>
    public static byte[] Zip(params (string Path, string Text)[] files)
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (path, text) in files)
            {
                using var writer = new StreamWriter(zip.CreateEntry(path).Open());
                writer.Write(text);
            }
        }
        return bytes.ToArray();
    }

    /// <summary>Writes a file, and the folders above it.</summary>
    public static void Write(string folder, params (string Path, string Text)[] files)
    {
        foreach (var (path, text) in files)
        {
            var full = Path.Combine(folder, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, text);
        }
    }
}
