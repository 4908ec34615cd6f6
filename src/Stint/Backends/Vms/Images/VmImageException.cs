namespace Stint.Backends.Vms.Images;

/// <summary>An image that was not made. The message says what is missing or wrong, and what to do.</summary>
internal sealed class VmImageException(string message, Exception? inner = null) : IOException(message, inner)
{
    // asm-generic/errno.h; .NET hands them through as the HResult of an IOException.
    private const int NoSpaceLeft = 28, QuotaExceeded = 122;

    /// <summary>Whether an error of the file system means that there is no more room.</summary>
    public static bool IsDiskFull(IOException error) => error.HResult is NoSpaceLeft or QuotaExceeded;

    /// <summary>The disk is full.</summary>
    /// <param name="folder">What lies on it.</param>
    /// <param name="needed">Bytes that the image takes.</param>
    /// <param name="inner">How it showed.</param>
    public static VmImageException DiskFull(string folder, long needed, Exception? inner = null) =>
        new($"the disk of {folder} is full: the image takes {Math.Max(1, needed >> 20)} MiB, and twice as much while it is made. Free some space and try again", inner);
}
