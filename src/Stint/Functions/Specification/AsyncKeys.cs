using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>Keys of <c>[async]</c>.</summary>
internal static class AsyncKeys
{
    private static readonly AsyncSpec Defaults = new();

    /// <summary>The keys.</summary>
    public static Section<AsyncSpec> Section { get; } = new("async",
    [
        Key("retries", new OptionalKind<int>(new IntegerKind(0, 1000)), s => s.Retries, (s, v) => s with { Retries = v },
            "How often a call is run again that the function itself failed: an exception, a status of 429 or from 500 on, its timeout. What the platform failed is tried again anyway.", "`async-retries` of the daemon, 0"),
        Key("backoff", new OptionalKind<TimeSpan>(new SecondsKind(0.001, 3600)), s => s.Backoff, (s, v) => s with { Backoff = v },
            "The wait before the second try; it doubles from try to try up to 5 minutes, and up to half of it is left to chance.", "`async-backoff` of the daemon, 1"),
        Key("max-age", new OptionalKind<TimeSpan>(new SecondsKind(1, 30 * 24 * 3600)), s => s.MaxAge, (s, v) => s with { MaxAge = v },
            "A call that would be older at its next try becomes a dead letter instead.", "`async-max-age` of the daemon, a day"),
        Key("ordered", new BooleanKind(), s => s.IsOrdered, (s, v) => s with { IsOrdered = v },
            "One call after another, in the order in which they were accepted; one that is tried again holds up those behind it."),
        Key("concurrency", new OptionalKind<int>(new IntegerKind(1, 10_000)), s => s.Concurrency, (s, v) => s with { Concurrency = v },
            "Otherwise: calls that run at a time.", "half of what `max-instances` serve at a time, so that other calls find room"),
    ]);

    private static Setting<AsyncSpec, T> Key<T>(string name, ValueKind<T> kind, Func<AsyncSpec, T?> get, Func<AsyncSpec, T, AsyncSpec> set, string help, string? defaultText = null) =>
        new(name, kind, get, set, Defaults, help, defaultText);
}
