namespace Stint.Files;

/// <summary>Files that are the daemon's user's alone (0600), in a folder that is too (0700).</summary>
internal static class PrivateFile
{
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes the folder, or makes it private.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void MakeFolder(string folder)
    {
        Directory.CreateDirectory(folder, OwnersFile | UnixFileMode.UserExecute);
        File.SetUnixFileMode(folder, OwnersFile | UnixFileMode.UserExecute);
    }

    /// <summary>
    /// Writes a file whole, beside its place, and renames it: a crash leaves the old one or the new one, and a link in its place is replaced, not followed.
    /// </summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        var fresh = $"{path}.{Guid.NewGuid():N}";
        try
        {
            // CreateNew is O_EXCL, which follows no link either.
            using (var file = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnersFile }))
            {
                file.Write(bytes);
                file.Flush(flushToDisk: true);
            }
            File.Move(fresh, path, overwrite: true);
        }
        catch
        {
            File.Delete(fresh);
            throw;
        }
    }
}
