using System.Security.Cryptography;
using Stint.Functions.Bundles;

namespace Stint.EndToEnd.Cluster;

/// <summary>All that a folder holds, as lines that can be compared: kind, permission bits, path, content.</summary>
internal static class FolderPicture
{
    /// <summary>Draws it. Names that begin with a dot right below the folder are nobody's functions and left out.</summary>
    public static string Of(string folder) => string.Join('\n', CodeTree.Walk(folder).Where(static entry => entry.Path[0] != '.').Select(entry => Line(folder, entry)));

    private static string Line(string folder, CodeEntry entry)
    {
        var path = Path.Combine(folder, entry.Path);
        var content = entry.Stat.IsLink ? $"-> {new FileInfo(path).LinkTarget}" : entry.Stat.IsFile ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))) : "";
        return $"{Convert.ToString(entry.Stat.Mode, 8)} {entry.Path} {content}";
    }
}
