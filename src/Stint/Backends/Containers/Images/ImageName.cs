using Stint.Functions;

namespace Stint.Backends.Containers.Images;

/// <summary>Names of images.</summary>
internal static class ImageName
{
    /// <summary>The image of Stint itself, when it is given no other name.</summary>
    public const string OfProgram = "stint/stint:latest";

    /// <summary>The base image of a runtime when no other is configured: <c>stint/base-python3:latest</c>.</summary>
    public static string OfBase(Runtime runtime) => $"stint/base-{WordOf(runtime)}:latest";

    /// <summary>A runtime's image: <c>stint/python3:0123456789ab</c>.</summary>
    public static string OfRuntime(Runtime runtime, string hash) => $"stint/{WordOf(runtime)}:{hash}";

    /// <summary>A runtime as everybody writes it.</summary>
    public static string WordOf(Runtime runtime) => runtime.ToString().ToLowerInvariant();

    /// <summary>Divides <c>registry:5000/name:tag</c>; without a tag it is <c>latest</c>.</summary>
    public static (string Repository, string Tag) Split(string name)
    {
        var colon = name.LastIndexOf(':');
        return colon > name.LastIndexOf('/') ? (name[..colon], name[(colon + 1)..]) : (name, "latest");
    }
}
