using Stint.Backends.Containers.Engine;
using Stint.Invocations;

namespace Stint.Backends.Containers;

/// <summary>
/// The labels of everything that Stint makes at a container engine. What does not carry <see cref="Daemon"/> is somebody else's, and never touched. The first two are those of tinyFaaS,
/// for the scripts of its users.
/// </summary>
internal static class ContainerLabels
{
    /// <summary>tinyFaaS's mark of everything; its value is empty.</summary>
    public const string TinyFaas = "tinyFaaS";

    /// <summary>tinyFaaS's name for the function.</summary>
    public const string TinyFaasFunction = "tinyfaas-function";

    /// <summary>The daemon that made it: the same for every daemon over the same state folder, so that the next one finds what a killed one left.</summary>
    public const string Daemon = "stint.daemon";

    /// <summary>The function's full name.</summary>
    public const string Function = "stint.function";

    /// <summary>The version's id.</summary>
    public const string Version = "stint.version";

    /// <summary>The instance's id, as logs and views show it.</summary>
    public const string Instance = "stint.instance";

    /// <summary>What it is for: one of the roles below. At its start a backend removes what an earlier daemon left in its own roles, and nothing else.</summary>
    public const string Role = "stint.role";

    /// <summary>A container or network of a <c>[container]</c> function.</summary>
    public const string ContainerRole = "container";

    /// <summary>A container in which a process function runs, or a blank runtime that waits for one.</summary>
    public const string ProcessRole = "process";

    /// <summary>A container of a build.</summary>
    public const string BuildRole = "build";

    /// <summary>An image that process functions' containers are made of.</summary>
    public const string RuntimeRole = "runtime";

    private const int LongestReadable = 100;

    /// <summary>Finds a daemon's containers and networks of <c>[container]</c> functions.</summary>
    public static EngineFilters Ours(string daemon) => EngineFilters.Label(Daemon, daemon).AndLabel(Role, ContainerRole);

    /// <summary>The function in an object's name, for people to read: a long one is cut, as the labels have it whole.</summary>
    public static string Readable(FunctionName function) => function.ToString() is { Length: > LongestReadable } name ? name[..LongestReadable] : function.ToString();

    /// <summary>The labels of an object that belongs to no single function.</summary>
    public static Dictionary<string, string> Of(string daemon, string role) => new(StringComparer.Ordinal) { [TinyFaas] = "", [Daemon] = daemon, [Role] = role };

    /// <summary>The labels of a function's object.</summary>
    public static Dictionary<string, string> Of(string daemon, string role, FunctionName function)
    {
        var labels = Of(daemon, role);
        labels[TinyFaasFunction] = labels[Function] = function.ToString();
        return labels;
    }
}
