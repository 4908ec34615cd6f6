namespace Stint.Functions.Builds;

/// <summary>How much a folder holds.</summary>
internal static class FolderSize
{
    /// <summary>Bytes of all files in it; links are not followed. What vanishes meanwhile counts as nothing.</summary>
    public static long Measure(string folder)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        var bytes = 0L;
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", options))
        {
            try
            {
                bytes += file.Length;
            }
            catch (FileNotFoundException)
            {
                // Package tools delete their scratch files while we look.
            }
        }
        return bytes;
    }
}
