namespace Stint.Backends.Containers.Images;

/// <summary>
/// The label of images that Stint made, for <c>stint image ls</c>. Those that an operator made by a command have only this one and stay until <c>stint image rm</c>; those that a daemon made for itself
/// have its <see cref="ContainerLabels.Daemon"/> besides and go with <c>stint wipe --containers</c>.
/// </summary>
internal static class ImageLabels
{
    /// <summary>The label; its value is one of those below.</summary>
    public const string Kind = "stint.image";

    /// <summary>An interpreter with what it needs.</summary>
    public const string Base = "base";

    /// <summary>A base image with our runtime in it: what instances are made of.</summary>
    public const string Runtime = "runtime";

    /// <summary>Stint itself.</summary>
    public const string Program = "program";

    /// <summary>An image of the user's own.</summary>
    public const string Own = "own";

    /// <summary>The label.</summary>
    /// <param name="kind">Its value.</param>
    public static Dictionary<string, string> Of(string kind) => new(StringComparer.Ordinal) { [Kind] = kind };
}
