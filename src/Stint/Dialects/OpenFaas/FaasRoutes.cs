// OpenFaaS's management API (contract openfaas.md, part 2) and the early gateway's /system/alert. Who may use it is the management endpoint's business.
using System.Runtime.InteropServices;
using System.Text;
using Stint.Functions.Deployments;
using Stint.Functions.Secrets;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Management.OpenApi;

namespace Stint.Dialects.OpenFaas;

/// <summary>The routes under <c>/system</c>, and the page <c>/ui/</c>.</summary>
internal sealed class FaasRoutes(Platform platform)
{
    private readonly FaasNamespaces _namespaces = new(platform);
    private readonly FaasLogs _logs = new(platform);
    private readonly FaasAlertRule _alerts = new(platform);

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var json = FaasJson.Default;
        FaasRequest.Map(routes, "GET", "/system/functions", ListAsync, Says("Functions of a namespace").Asks("namespace", "openfaas-fn without it").Answer(200, "All", json.ListFaasStatus));
        FaasRequest.Map(routes, "POST", "/system/functions", context => DeployAsync(context, mustExist: false), Says("Deploy an image as a function").Takes(json.FaasDeployment).Answer(202, "It serves").Answer(400, "The deployment cannot be used", Text));
        FaasRequest.Map(routes, "PUT", "/system/functions", context => DeployAsync(context, mustExist: true), Says("Change a function").Takes(json.FaasDeployment).Answer(202, "It serves").Answer(400, "The deployment cannot be used", Text).Answer(404, "No such function", Text));
        FaasRequest.Map(routes, "DELETE", "/system/functions", RemoveAsync, Says("Remove a function").Takes(json.FaasRemoval).Answer(202, "Removed").Answer(404, "No such function", Text));
        FaasRequest.Map(routes, "GET", "/system/function/{name}", DescribeAsync, Says("A function").Asks("namespace", "openfaas-fn without it").Asks("usage", "1: with what it uses").Answer(200, "It", json.FaasStatus).Answer(404, "No such function", Text));
        FaasRequest.Map(routes, "POST", "/system/scale-function/{name}", ScaleAsync, Says("Have so many instances of a function").Takes(json.FaasScaling).Answer(202, "They are on their way").Answer(404, "No such function", Text));
        FaasRequest.Map(routes, "POST", "/system/alert", AlertAsync, Says("Alertmanager's webhook").Takes(json.FaasAlerts).Answer(200, "Done").Answer(404, "An alert names a function that is not there", Text));
        FaasRequest.Map(routes, "GET", "/system/info", InfoAsync, Says("The provider").Answer(200, "It", json.FaasInfo));
        FaasRequest.Map(routes, "GET", "/system/telemetry", static context => FaasRequest.WriteAsync(context, StatusCodes.Status200OK, ""), Says("Nothing: there is no telemetry").Answer(200, "Nothing", Text));
        FaasRequest.Map(routes, "GET", "/system/logs", _logs.WriteAsync, Says("A function's log").Asks("name", "The function").Asks("namespace", "openfaas-fn without it").Asks("instance", "One instance").Asks("tail", "So many lines of the past").Asks("since", "From then on")
            .Asks("follow", "1: and what comes from now on").Answer(200, "One JSON object a line", "application/x-ndjson"));
        FaasRequest.Map(routes, "GET", "/system/secrets", ListSecretsAsync, Says("Names of secrets").Asks("namespace", "openfaas-fn without it").Answer(200, "All", json.ListFaasSecret));
        FaasRequest.Map(routes, "POST", "/system/secrets", AddSecretAsync, Says("Add a secret").Takes(json.FaasSecret).Answer(201, "Added").Answer(409, "There is one of that name", Text));
        FaasRequest.Map(routes, "PUT", "/system/secrets", ReplaceSecretAsync, Says("Change a secret").Takes(json.FaasSecret).Answer(202, "Changed").Answer(404, "No such secret", Text));
        FaasRequest.Map(routes, "DELETE", "/system/secrets", RemoveSecretAsync, Says("Remove a secret").Takes(json.FaasSecret).Answer(202, "Removed").Answer(404, "No such secret", Text));
        FaasRequest.Map(routes, "GET", "/system/namespaces", context => FaasRequest.WriteAsync(context, _namespaces.List(), FaasJson.Default.ListString), Says("Names of namespaces").Answer(200, "All", json.ListString));
        FaasRequest.Map(routes, "GET", "/system/namespace/{name}", FindNamespaceAsync, Says("A namespace").Answer(200, "It", json.FaasNamespace).Answer(404, "No such namespace", Text));
        FaasRequest.Map(routes, "POST", "/system/namespace/{name}", AddNamespaceAsync, Says("Add a namespace").Takes(json.FaasNamespace).Answer(201, "Added").Answer(409, "There is one of that name", Text));
        FaasRequest.Map(routes, "POST", "/system/namespace", AddNamespaceAsync, Says("Add a namespace that the body names").Takes(json.FaasNamespace).Answer(201, "Added").Answer(409, "There is one of that name", Text));
        FaasRequest.Map(routes, "PUT", "/system/namespace/{name}", ReplaceNamespaceAsync, Says("Change what is said of a namespace").Takes(json.FaasNamespace).Answer(202, "Changed").Answer(404, "No such namespace", Text));
        FaasRequest.Map(routes, "DELETE", "/system/namespace/{name}", RemoveNamespaceAsync, Says("Remove a namespace").Answer(202, "Removed").Answer(404, "No such namespace", Text).Answer(409, "It has functions or secrets", Text));
        routes.MapGet("/ui/", FaasPage.WriteAsync).Describe(Says("A page with all functions").Answer(200, "It", "text/html"));
        routes.MapGet("/", static context =>
        {
            context.Response.Redirect("/ui/");
            return Task.CompletedTask;
        }).Describe(Says("Where the page is").Answer(302, "There"));
    }

    private const string Text = "text/plain";

    private static ApiDescription Says(string summary) => new("OpenFaaS", summary);

    private Task ListAsync(HttpContext context)
    {
        var module = FaasNames.Module(context.Request.Query["namespace"]);
        var functions = platform.Registry.Snapshot.Functions.Values.Where(function => function.Name.Module == module).OrderBy(static function => function.Name.Name, StringComparer.Ordinal);
        return FaasRequest.WriteAsync(context, functions.Select(function => FaasFunction.Status(platform, function, withUsage: false)).ToList(), FaasJson.Default.ListFaasStatus);
    }

    private Task DescribeAsync(HttpContext context)
    {
        var name = FaasFunction.Name((string?)context.Request.RouteValues["name"], context.Request.Query["namespace"]);
        if (!platform.Registry.Snapshot.Functions.TryGetValue(name, out var function)) throw NotFound(name);
        return FaasRequest.WriteAsync(context, FaasFunction.Status(platform, function, context.Request.Query["usage"] is ["1" or "true", ..]), FaasJson.Default.FaasStatus);
    }

    private async Task DeployAsync(HttpContext context, bool mustExist)
    {
        var deployment = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasDeployment).ConfigureAwait(false);
        var name = FaasFunction.Name(deployment.Service, deployment.Namespace);
        if (mustExist && !platform.Registry.Snapshot.Functions.ContainsKey(name)) throw NotFound(name);
        await platform.DeployAsync(name, FaasFunction.Toml(deployment), code: null, static _ => { }, context.RequestAborted).ConfigureAwait(false);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private async Task RemoveAsync(HttpContext context)
    {
        var removal = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasRemoval).ConfigureAwait(false);
        var name = FaasFunction.Name(removal.FunctionName, removal.Namespace ?? context.Request.Query["namespace"]);
        if (!await platform.Deployer.RemoveAsync(name, context.RequestAborted).ConfigureAwait(false)) throw NotFound(name);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private async Task ScaleAsync(HttpContext context)
    {
        var scaling = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasScaling).ConfigureAwait(false);
        var name = FaasFunction.Name((string?)context.Request.RouteValues["name"], scaling.Namespace ?? context.Request.Query["namespace"]);
        if (!platform.Registry.Snapshot.Functions.TryGetValue(name, out var function) || platform.Router.Find(name) is not { } pool) throw NotFound(name);
        if (scaling.Replicas is not { } replicas || replicas < 0) throw FaasFunction.Bad("'replicas' must be a number of instances, 0 or more");
        var most = function.Serving?.Spec.MaxInstances ?? 0;
        if (replicas > most) throw FaasFunction.Bad($"{name} may have {most} instances, not {replicas}; deploy it with the label com.openfaas.scale.max, or max-instances in its function.toml");
        pool.Want(replicas);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private async Task AlertAsync(HttpContext context)
    {
        var alerts = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasAlerts).ConfigureAwait(false);
        var unknown = _alerts.Apply(alerts);
        if (unknown.Count > 0) throw new DeploymentException(DeploymentFault.NotFound, $"no function {string.Join(", ", unknown)}; the label function_name of an alert must name one");
    }

    private Task InfoAsync(HttpContext context)
    {
        var version = new FaasVersion("", ProgramVersion.Text);
        var arch = RuntimeInformation.OSArchitecture switch { Architecture.X64 => "x86_64", Architecture.Arm64 => "aarch64", Architecture.Arm => "armv7l", var other => other.ToString().ToLowerInvariant() };
        return FaasRequest.WriteAsync(context, new FaasInfo(new FaasProvider("stint", "stint", version), version, arch), FaasJson.Default.FaasInfo);
    }

    private Task ListSecretsAsync(HttpContext context)
    {
        var module = FaasNames.Module(context.Request.Query["namespace"]);
        return FaasRequest.WriteAsync(context, platform.Secrets.List(module).Select(name => new FaasSecret(name, FaasNames.Namespace(module))).ToList(), FaasJson.Default.ListFaasSecret);
    }

    private async Task AddSecretAsync(HttpContext context)
    {
        var (module, name, value) = await ReadSecretAsync(context).ConfigureAwait(false);
        if (!await platform.SecretWriter.TryAddAsync(module, name, value, context.RequestAborted).ConfigureAwait(false)) throw new DeploymentException(DeploymentFault.Conflict, $"there is a secret {name} already; change it with: faas-cli secret update {name}");
        context.Response.StatusCode = StatusCodes.Status201Created;
    }

    private async Task ReplaceSecretAsync(HttpContext context)
    {
        var (module, name, value) = await ReadSecretAsync(context).ConfigureAwait(false);
        if (!await platform.SecretWriter.TryReplaceAsync(module, name, value, context.RequestAborted).ConfigureAwait(false)) throw NoSecret(name);
        platform.RenewSecret(module, name);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private async Task RemoveSecretAsync(HttpContext context)
    {
        var secret = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasSecret).ConfigureAwait(false);
        var (module, name) = SecretOf(secret);
        if (!await platform.SecretWriter.TryRemoveAsync(module, name, context.RequestAborted).ConfigureAwait(false)) throw NoSecret(name);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private static async Task<(string Module, string Name, byte[] Value)> ReadSecretAsync(HttpContext context)
    {
        var secret = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasSecret).ConfigureAwait(false);
        var (module, name) = SecretOf(secret);
        var value = secret.RawValue is { Length: > 0 } raw ? raw : Encoding.UTF8.GetBytes(secret.Value ?? "");
        return value.Length <= SecretStore.MaxBytes ? (module, name, value) : throw FaasFunction.Bad($"the secret has {value.Length:N0} bytes; at most {SecretStore.MaxBytes:N0} fit");
    }

    private static (string Module, string Name) SecretOf(FaasSecret secret)
    {
        var module = FaasNames.Module(secret.Namespace);
        if (!FunctionName.IsValidPart(module)) throw FaasFunction.Bad($"that is no namespace's name: {FunctionName.Rule}");
        return SecretName.IsValid(secret.Name) ? (module, secret.Name!) : throw FaasFunction.Bad($"that is no secret's name: {SecretName.Rule}");
    }

    private Task FindNamespaceAsync(HttpContext context) =>
        FaasRequest.WriteAsync(context, _namespaces.Find(NamespaceOf(context)) ?? throw NoNamespace(NamespaceOf(context)), FaasJson.Default.FaasNamespace);

    private async Task AddNamespaceAsync(HttpContext context)
    {
        var space = await ReadNamespaceAsync(context).ConfigureAwait(false);
        if (!await _namespaces.TryAddAsync(space, context.RequestAborted).ConfigureAwait(false)) throw new DeploymentException(DeploymentFault.Conflict, $"there is a namespace {space.Name} already");
        context.Response.StatusCode = StatusCodes.Status201Created;
    }

    private async Task ReplaceNamespaceAsync(HttpContext context)
    {
        var space = await ReadNamespaceAsync(context).ConfigureAwait(false);
        if (!await _namespaces.TryReplaceAsync(space, context.RequestAborted).ConfigureAwait(false)) throw NoNamespace(space.Name!);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private async Task RemoveNamespaceAsync(HttpContext context)
    {
        if (!await _namespaces.TryRemoveAsync(NamespaceOf(context), context.RequestAborted).ConfigureAwait(false)) throw NoNamespace(NamespaceOf(context));
        context.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    private static async Task<FaasNamespace> ReadNamespaceAsync(HttpContext context)
    {
        var space = await FaasRequest.ReadAsync(context, FaasJson.Default.FaasNamespace).ConfigureAwait(false);
        return NamespaceOf(context) is { Length: > 0 } name ? space with { Name = name } : space;
    }

    private static string NamespaceOf(HttpContext context) => (string?)context.Request.RouteValues["name"] ?? "";

    private static DeploymentException NotFound(FunctionName name) => new(DeploymentFault.NotFound, $"there is no function {name}; 'faas-cli list' or 'stint ls' says which there are");

    private static DeploymentException NoSecret(string name) => new(DeploymentFault.NotFound, $"there is no secret {name}; make it with: faas-cli secret create {name}");

    private static DeploymentException NoNamespace(string name) => new(DeploymentFault.NotFound, $"there is no namespace {name}");
}
