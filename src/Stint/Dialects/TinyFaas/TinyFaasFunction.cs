using Stint.Functions;
using Stint.Functions.Deployments;
using Stint.Functions.Specification;
using Stint.Invocations;

namespace Stint.Dialects.TinyFaas;

/// <summary>What tinyFaaS says of a function, in our words.</summary>
internal static class TinyFaasFunction
{
    /// <summary>The most handlers: arbitrary, more than a small machine can hold.</summary>
    public const int MaxThreads = 1000;

    // Theirs serves any number of calls of a binary function at once in one handler, each a process of its own; nothing is shared between them, so ours does too.
    private const int BinaryConcurrency = 16;

    /// <summary>Checks a name.</summary>
    /// <exception cref="DeploymentException">It is none.</exception>
    public static FunctionName Name(string? name) =>
        FunctionName.TryCreate(FunctionName.DefaultModule, name ?? "", out var result) ? result : throw Bad($"'name' is not a function's name: {FunctionName.Rule}");

    /// <summary>The <c>function.toml</c> of an upload: <c>threads</c> handlers, always warm.</summary>
    /// <exception cref="DeploymentException">Something is wrong with the request.</exception>
    public static string Toml(string? env, int threads, IReadOnlyList<string>? envs, Action<string> log)
    {
        var runtime = env switch
        {
            "python3" => Runtime.Python3,
            "nodejs" => Runtime.NodeJs,
            "binary" => Runtime.Binary,
            _ => throw Bad($"'env' must be python3, nodejs or binary, not '{env}'"),
        };
        if (threads is < 1 or > MaxThreads) throw Bad($"'threads' must be 1 to {MaxThreads}, not {threads}");
        return FunctionToml.Write(new FunctionSpec
        {
            MinInstances = threads,
            MaxInstances = threads,
            ConcurrentRequests = runtime == Runtime.Binary ? BinaryConcurrency : 1,
            Env = Variables(envs ?? [], log),
            Process = new ProcessSpec { Runtime = runtime },
        });
    }

    /// <summary>A refusal of what was sent.</summary>
    public static DeploymentException Bad(string message) => new(DeploymentFault.BadRequest, message);

    private static Dictionary<string, string> Variables(IReadOnlyList<string> envs, Action<string> log)
    {
        var variables = new Dictionary<string, string>();
        foreach (var entry in envs)
        {
            var equals = entry.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0) variables[entry[..equals]] = entry[(equals + 1)..];
            else log("an entry of 'envs' without '=' was ignored");
        }
        return variables;
    }
}
