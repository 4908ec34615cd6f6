using Stint.Invocations;

namespace Stint.Functions;

/// <summary>
/// One deployed state of a function: immutable, so an instance never sees two of them. A new deployment is a new version.
/// </summary>
internal sealed record FunctionVersion
{
    /// <summary>The function.</summary>
    public required FunctionName Name { get; init; }

    /// <summary>Its checked <c>function.toml</c>.</summary>
    public required FunctionSpec Spec { get; init; }

    /// <summary>Identity of code and specification together: equal ids behave equally. Lower-case hex.</summary>
    public required string Id { get; init; }

    /// <summary>Absolute path of the built code: a read-only snapshot in the daemon's state, never the registry's own folder. Null for a function without code, see <see cref="FunctionSpec.HasCode"/>.</summary>
    public required string? Folder { get; init; }

    /// <summary>When this daemon took the version into service.</summary>
    public required DateTimeOffset DeployedAt { get; init; }
}
