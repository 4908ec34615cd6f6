namespace Stint.Functions.Builds;

/// <summary>The limits of builds and of their cache.</summary>
internal sealed record BuildOptions
{
    /// <summary>How long one package tool may run. Default 10 minutes.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Bytes that a build may write, downloads and scratch included. Default 2 GiB.</summary>
    public long SizeLimit { get; init; } = 2L << 30;

    /// <summary>Bytes of built dependencies that are kept for later deployments; the longest unused go first, the newest always stays. Default 2 GiB.</summary>
    public long CacheLimit { get; init; } = 2L << 30;

    /// <summary>The unpacked runtimes, whose Node.js part compiles functions ahead; null: nothing is compiled for Node.js. Default null.</summary>
    public string? Runtimes { get; init; }

    /// <summary>Builds at the same time. Default: half the host's cores, at least 2.</summary>
    public int Parallel { get; init; } = Math.Max(2, Environment.ProcessorCount / 2);
}
