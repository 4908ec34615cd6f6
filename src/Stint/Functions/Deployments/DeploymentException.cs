namespace Stint.Functions.Deployments;

/// <summary>
/// A deployment, build or removal that did not happen. The message is for the one who asked: what, why, what to do.
/// Every error of the folders Archives, Builds, Bundles, Registry and Deployments that a user can cause is one of these.
/// </summary>
internal class DeploymentException(DeploymentFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    // Linux errno values, which .NET hands through as the HResult of an IOException (asm-generic/errno.h).
    private const int NoSpaceLeft = 28;
    private const int QuotaExceeded = 122;

    /// <summary>Whose fault it is: what a dialect maps to its status codes.</summary>
    public DeploymentFault Fault { get; } = fault;

    /// <summary>Turns an error of the file system into words; <paramref name="doing"/> is the clause that follows "cannot", such as "store the code".</summary>
    public static DeploymentException FromFileSystem(Exception error, string doing) => error switch
    {
        IOException { HResult: NoSpaceLeft or QuotaExceeded } =>
            new(DeploymentFault.HostLacks, $"cannot {doing}: the disk is full; free some space and try again", error),
        UnauthorizedAccessException =>
            new(DeploymentFault.HostLacks, $"cannot {doing}: {error.Message}; the daemon's user needs access to it", error),
        _ => new(DeploymentFault.HostLacks, $"cannot {doing}: {error.Message}", error),
    };
}

/// <summary>Why a deployment did not happen.</summary>
internal enum DeploymentFault
{
    /// <summary>What was sent is unusable: archive, <c>function.toml</c> or code.</summary>
    BadRequest,

    /// <summary>There is no such function.</summary>
    NotFound,

    /// <summary>The build step failed; the message ends with the last lines of its output.</summary>
    BuildFailed,

    /// <summary>The host lacks something: disk space, an interpreter, a package tool, access.</summary>
    HostLacks,

    /// <summary>The registry's present layout forbids it.</summary>
    Conflict,
}
