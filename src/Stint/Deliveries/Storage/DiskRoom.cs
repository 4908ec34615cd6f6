namespace Stint.Deliveries.Storage;

/// <summary>What may still be written to a disk so that ending what has been accepted always finds room.</summary>
internal static class DiskRoom
{
    /// <summary>Bytes beyond the reserve; below zero when it is touched.</summary>
    /// <param name="folder">A folder of the disk.</param>
    /// <param name="reserve">Bytes that are to stay free; of a small disk half, at most.</param>
    public static long Of(string folder, long reserve)
    {
        var drive = new DriveInfo(folder);
        return drive.AvailableFreeSpace - Math.Min(reserve, drive.TotalSize / 2);
    }

    /// <summary>There is none.</summary>
    public static StoreException Full(string folder, Exception? inner = null) => new($"the disk with {folder} is full: free some space, or choose another with --state", isFull: true, inner);
}
