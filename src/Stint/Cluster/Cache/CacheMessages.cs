namespace Stint.Cluster.Cache;

/// <summary>A worker wants the secrets that a function names.</summary>
/// <param name="Function">The function, <c>name.module</c>.</param>
internal sealed record SecretsQuestion(string Function);

/// <summary>The secrets: what the function's <c>function.toml</c> names, as the gateway has it.</summary>
/// <param name="Change">The number of the last change of one of them.</param>
/// <param name="Values">By name; a name without a value is of a secret that does not exist.</param>
internal sealed record SecretsAnswer(long Change, Dictionary<string, byte[]?> Values);

/// <summary>A version of a function.</summary>
/// <param name="Function">The function, <c>name.module</c>.</param>
/// <param name="Hash">SHA3-256 of its folder.</param>
/// <param name="Change">The number of the change that brought it.</param>
/// <param name="Secrets">The number of the last change of a secret that it names.</param>
internal sealed record CachedVersion(string Function, string Hash, long Change, long Secrets);

/// <summary>A worker wants to know what of its cache is still deployed.</summary>
/// <param name="Versions">What it has.</param>
internal sealed record CacheQuestion(IReadOnlyList<CachedVersion> Versions);

/// <summary>What is to be done with it.</summary>
/// <param name="Gone">Functions that are not deployed any more, or whose number the store has never given.</param>
/// <param name="Newer">Versions that came after those that it has.</param>
internal sealed record CacheAnswer(IReadOnlyList<string> Gone, IReadOnlyList<CachedVersion> Newer);

/// <summary>A gateway wants a worker to have a version before it is called, or to let a function go.</summary>
/// <param name="Version">The version.</param>
/// <param name="IsGone">The function was removed.</param>
internal sealed record PrepareQuestion(CachedVersion Version, bool IsGone);

/// <summary>How that went.</summary>
/// <param name="Problem">Why not; null: it has it.</param>
internal sealed record PrepareAnswer(string? Problem);
