using System.Globalization;
using Stint.Functions;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Functions.Specification;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Management;

namespace Stint.Dialects.OpenFaas;

/// <summary>What OpenFaaS says of a function, in our words, and the other way round.</summary>
internal static class FaasFunction
{
    /// <summary>The variable that tells a watchdog what to run.</summary>
    public const string ProcessVariable = "fprocess";

    // Theirs sends a replica whatever comes. A limit lets the pool see that another instance is needed; watchdogs and web servers do this many at once with ease.
    private const int Concurrency = 16;

    // Watchdogs, and everything else that OpenFaaS runs, serve there.
    private const int Port = 8080;

    /// <summary>The name that a body gives.</summary>
    /// <exception cref="DeploymentException">It is none.</exception>
    public static FunctionName Name(string? name, string? space) => FaasNames.TryParse(name, space, out var result)
        ? result
        : throw Bad(string.IsNullOrEmpty(name) ? "the function's name is missing" : $"that is no function's name: {FunctionName.Rule}, and '.NAMESPACE' may follow");

    /// <summary>The <c>function.toml</c> of a deployment.</summary>
    /// <exception cref="DeploymentException">Something is wrong with it.</exception>
    public static string Toml(FaasDeployment deployment)
    {
        if (string.IsNullOrWhiteSpace(deployment.Image)) throw Bad("'image' is missing: name the function's image, such as \"registry/name:tag\"");
        var labels = deployment.Labels ?? [];
        var scaling = FaasScalingLabels.Read(labels);
        var container = new ContainerSpec { Image = deployment.Image.Trim(), Port = Port, Writable = !deployment.ReadOnlyRootFilesystem };
        if (deployment.Limits?.Memory is { Length: > 0 } memory)
            container = container with { MemoryMiB = ResourceAmount.TryMemory(memory, out var mebibytes) ? mebibytes : throw Bad($"the memory limit '{memory}' is no amount of memory; write 128Mi or 1Gi") };
        if (deployment.Limits?.Cpu is { Length: > 0 } cpu)
            container = container with { Cpus = ResourceAmount.TryCpus(cpu, out var cpus) ? cpus : throw Bad($"the cpu limit '{cpu}' is no number of processors; write 100m or 0.5") };
        var variables = deployment.EnvVars ?? [];
        if (deployment.EnvProcess is { Length: > 0 } process) variables[ProcessVariable] = process;
        foreach (var name in variables.Keys)
            if (!TextTableKind.IsVariableName(name)) throw Bad($"'{name}' is no name of an environment variable: use A-Z a-z 0-9 _ and no digit first");
        foreach (var name in deployment.Secrets ?? [])
            if (!SecretName.IsValid(name)) throw Bad($"'{name}' is no secret's name: {SecretName.Rule}");
        return FunctionToml.Write(new FunctionSpec
        {
            MinInstances = scaling.ToZero ? 0 : scaling.Min,
            MaxInstances = scaling.Max,
            KeepAlive = scaling.ToZero ? scaling.ZeroDuration : new FunctionSpec().KeepAlive,
            ScaleBy = scaling.Type,
            ScaleTarget = scaling.Target,
            ScaleProportion = scaling.Proportion,
            ConcurrentRequests = variables.TryGetValue("max_inflight", out var most) && int.TryParse(most, NumberStyles.None, CultureInfo.InvariantCulture, out var inflight) && inflight is > 0 and <= 1000 ? inflight : Concurrency,
            Env = variables,
            Labels = labels,
            Annotations = deployment.Annotations ?? [],
            Constraints = deployment.Constraints ?? [],
            Requests = Requests(deployment.Requests),
            Secrets = deployment.Secrets ?? [],
            Container = container,
        });
    }

    /// <summary>A function as OpenFaaS shows it.</summary>
    public static FaasStatus Status(Platform platform, RegisteredFunction function, bool withUsage)
    {
        var view = FunctionViews.Detail(platform, function);
        var spec = function.Serving?.Spec ?? function.Spec ?? new FunctionSpec();
        var ready = view.Instances.Idle + view.Instances.Busy;
        return new FaasStatus
        {
            Name = function.Name.Name,
            Namespace = FaasNames.Namespace(function.Name.Module),
            // Functions that have code have no image; the runtime says what they are.
            Image = spec.Container?.Image ?? $"stint/{view.Runtime}",
            EnvProcess = spec.Env.GetValueOrDefault(ProcessVariable),
            EnvVars = spec.Env.Where(static variable => variable.Key != ProcessVariable).ToDictionary(),
            Constraints = spec.Constraints,
            Secrets = spec.Secrets,
            Labels = spec.Labels,
            Annotations = spec.Annotations,
            Limits = new FaasResources(ResourceAmount.Memory(spec.MemoryMiB), view.Cpus > 0 ? ResourceAmount.Cpus(view.Cpus) : null),
            Requests = spec.Requests.Count == 0 ? null : new FaasResources(spec.Requests.GetValueOrDefault("memory"), spec.Requests.GetValueOrDefault("cpu")),
            ReadOnlyRootFilesystem = spec.Container is not { Writable: true },
            InvocationCount = view.Requests,
            Replicas = ready + view.Instances.Starting,
            AvailableReplicas = ready,
            CreatedAt = view.DeployedAt,
            Usage = withUsage ? Usage(platform, function.Name) : null,
        };
    }

    /// <summary>A refusal of what was sent.</summary>
    public static DeploymentException Bad(string message) => new(DeploymentFault.BadRequest, message);

    private static Dictionary<string, string> Requests(FaasResources? requests)
    {
        var texts = new Dictionary<string, string>();
        if (requests?.Memory is { Length: > 0 } memory) texts["memory"] = memory;
        if (requests?.Cpu is { Length: > 0 } cpu) texts["cpu"] = cpu;
        return texts;
    }

    private static FaasUsage Usage(Platform platform, FunctionName name)
    {
        var instances = platform.Router.Find(name)?.Describe().Instances ?? [];
        var now = TimeProvider.System.GetUtcNow();
        var thousandths = instances.Sum(instance => instance.Usage.CpuTime / (now - instance.StartedAt) is var share && double.IsFinite(share) ? share * 1000 : 0);
        return new FaasUsage(Math.Round(thousandths, 3), instances.Sum(static instance => instance.Usage.MemoryBytes));
    }
}
