using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers.Swarm;

/// <summary>
/// The labels of services, beside those of <see cref="ContainerLabels"/>. They are how a daemon knows its services again after a restart, so what a task is must be in them. Tasks' containers have no
/// <see cref="ContainerLabels.Daemon"/>: they are Swarm's, which would replace any that somebody removes.
/// </summary>
internal static class SwarmLabels
{
    /// <summary>The early gateway's mark of functions; its value is the name.</summary>
    public const string Function = "function";

    /// <summary>The function's module.</summary>
    public const string Module = "stint.module";

    /// <summary>What the service runs: the version and the secrets as they were (<see cref="ServiceKey.Revision"/>).</summary>
    public const string Revision = "stint.revision";

    /// <summary>The name of the image in function.toml: a service has its id or digest.</summary>
    public const string Image = "stint.image";

    /// <summary>The service that a secret is for.</summary>
    public const string Service = "stint.service";

    /// <summary>The role of services and their secrets.</summary>
    public const string ServiceRole = "service";

    /// <summary>Finds a daemon's services and secrets.</summary>
    public static EngineFilters Ours(string daemon) => EngineFilters.Label(ContainerLabels.Daemon, daemon).AndLabel(ContainerLabels.Role, ServiceRole);

    /// <summary>Finds those of one function.</summary>
    public static EngineFilters Of(string daemon, Invocations.FunctionName function) => Ours(daemon).AndLabel(ContainerLabels.Function, function.ToString());
}
