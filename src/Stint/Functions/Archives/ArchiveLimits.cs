namespace Stint.Functions.Archives;

/// <summary>What an uploaded archive may contain. Arbitrary values, far above what functions need and far below what hurts a small host.</summary>
internal sealed record ArchiveLimits
{
    /// <summary>Entries, files and folders together. Default 10,000.</summary>
    public int MaxEntries { get; init; } = 10_000;

    /// <summary>Bytes of all files after inflation. Default 512 MiB.</summary>
    public long MaxTotalBytes { get; init; } = 512L << 20;

    /// <summary>Bytes of one file after inflation. Default 256 MiB.</summary>
    public long MaxFileBytes { get; init; } = 256L << 20;

    /// <summary>Inflated bytes per archived byte, beyond <see cref="RatioFreeBytes"/>. Default 100; deflate itself ends at 1,032.</summary>
    public int MaxRatio { get; init; } = 100;

    /// <summary>Inflated bytes that are not measured against <see cref="MaxRatio"/>: small texts may compress as well as they like. Default 1 MiB.</summary>
    public long RatioFreeBytes { get; init; } = 1 << 20;

    /// <summary>UTF-8 bytes of an entry's whole path. Default 1,024.</summary>
    public int MaxPathBytes { get; init; } = 1024;
}
