using System.Collections.Frozen;
using Stint.Invocations;

namespace Stint.Functions.Registry;

/// <summary>
/// How one function of the registry stands. Immutable; each change is a new one in a new <see cref="RegistrySnapshot"/>.
/// </summary>
internal sealed record RegisteredFunction
{
    /// <summary>Its name.</summary>
    public required FunctionName Name { get; init; }

    /// <summary>How the state on disk stands. What serves may be an older one: see <see cref="Serving"/>.</summary>
    public required RegistrationState State { get; init; }

    /// <summary>The version that new calls go to; null when there has been no good one in this run of the daemon.</summary>
    public FunctionVersion? Serving { get; init; }

    /// <summary>What is wrong with the state on disk, ready to be shown, with file and line where there is one. Empty unless <see cref="RegistrationState.Broken"/>.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Absolute path of the function's folder in the registry.</summary>
    public required string Folder { get; init; }

    /// <summary>What the <c>function.toml</c> on disk says; null when it cannot be read.</summary>
    public FunctionSpec? Spec { get; init; }
}

/// <summary>How a function's state on disk stands.</summary>
internal enum RegistrationState
{
    /// <summary>It serves.</summary>
    Ready,

    /// <summary>It is being read or built; an older version may be serving.</summary>
    Building,

    /// <summary>It cannot be used; an older version may be serving.</summary>
    Broken,
}

/// <summary>Everything that is in the registry at one moment. Immutable, swapped whole.</summary>
/// <param name="Functions">By name, the broken ones too.</param>
/// <param name="Problems">Folders that are no function at all, each with its reason: <c>PATH: what, why, what to do</c>.</param>
internal sealed record RegistrySnapshot(FrozenDictionary<FunctionName, RegisteredFunction> Functions, IReadOnlyList<string> Problems)
{
    /// <summary>A registry with nothing in it.</summary>
    public static RegistrySnapshot Empty { get; } = new(FrozenDictionary<FunctionName, RegisteredFunction>.Empty, []);
}

/// <summary>
/// Reads a <c>function.toml</c>. <paramref name="path"/> is for the messages. Without a specification there is at least one problem, a ready-made line such as
/// <c>function.toml:3:1: unknown key …</c>.
/// </summary>
internal delegate (FunctionSpec? Spec, IReadOnlyList<string> Problems) FunctionTomlReader(string text, string path);

/// <summary>
/// Who is told of what serves: the pools. Calls for one function come one after the other, in order. They must return soon and not throw.
/// </summary>
internal sealed record VersionObserver
{
    /// <summary>From now on calls go to this version; instances of an older one of the same name drain. Called before the snapshot shows it.</summary>
    public required Action<FunctionVersion> OnServing { get; init; }

    /// <summary>The function is gone; its instances drain. Called after the snapshot has dropped it.</summary>
    public required Action<FunctionName> OnRemoved { get; init; }

    /// <summary>The function is in the registry, but no version of it could be served so far: calls are told why. <see cref="OnServing"/> or <see cref="OnRemoved"/> ends it.</summary>
    public Action<FunctionName, string> OnUnusable { get; init; } = (_, _) => { };

    /// <summary>A line of a build's output, for the function's log.</summary>
    public Action<FunctionName, string> OnBuildLine { get; init; } = (_, _) => { };
}
