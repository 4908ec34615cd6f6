// tinyFaaS's management API (contract tinyfaas.md, "Management API"): six routes, JSON bodies whatever the Content-Type says, text answers. A wrong method is 400, as theirs answers it.
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Stint.Functions.Deployments;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Management;
using Stint.Management.OpenApi;

namespace Stint.Dialects.TinyFaas;

/// <summary>The six routes.</summary>
internal sealed class TinyFaasRoutes(Platform platform, Func<IReadOnlyList<EndpointView>> endpoints)
{
    private long MaxZip => platform.Options.MaxUploadMiB * 1024L * 1024L;

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var json = TinyFaasJson.Default;
        Map(routes, "/upload", HttpMethods.Post, UploadAsync, Says("Deploy a function").Takes(json.UploadRequest).Answer(200, "Where it can be called, one address a line", "text/plain"));
        Map(routes, "/uploadURL", HttpMethods.Post, UploadUrlAsync, Says("Deploy a function from a zip elsewhere").Takes(json.UploadUrlRequest).Answer(200, "Where it can be called, one address a line", "text/plain"));
        Map(routes, "/delete", HttpMethods.Post, DeleteAsync, Says("Remove a function").Takes(json.DeleteRequest).Answer(200, "Removed").Answer(404, "No such function", "text/plain"));
        Map(routes, "/list", HttpMethods.Get, ListAsync, Says("What is deployed").Answer(200, "One name a line", "text/plain"));
        Map(routes, "/wipe", HttpMethods.Post, WipeAsync, Says("Remove all functions").Answer(200, "Removed"));
        Map(routes, "/logs", HttpMethods.Get, LogsAsync, Says("Functions' logs").Asks("name", "One function; all without it").Answer(200, "One line each", "text/plain").Answer(404, "No such function", "text/plain"));
    }

    private static ApiDescription Says(string summary) => new ApiDescription("tinyFaaS", summary).Answer(400, "The request cannot be used; so is a wrong method", "text/plain");

    private static void Map(IEndpointRouteBuilder routes, string path, string method, RequestDelegate handle, ApiDescription description) => routes.Map(path, async context =>
    {
        if (!HttpMethods.Equals(context.Request.Method, method))
        {
            await WriteAsync(context, StatusCodes.Status400BadRequest, $"{path} is called with {method}, not {context.Request.Method}\n").ConfigureAwait(false);
            return;
        }
        try
        {
            await handle(context).ConfigureAwait(false);
        }
        catch (DeploymentException failure)
        {
            await WriteAsync(context, ManagementError.Status(failure.Fault), failure.Message + "\n").ConfigureAwait(false);
        }
        catch (BadHttpRequestException failure)
        {
            await WriteAsync(context, failure.StatusCode, failure.Message + "\n").ConfigureAwait(false);
        }
    }).Describe(description with { Method = method });

    private async Task UploadAsync(HttpContext context)
    {
        var request = await ReadAsync(context, TinyFaasJson.Default.UploadRequest).ConfigureAwait(false);
        var name = TinyFaasFunction.Name(request.Name);
        var toml = TinyFaasFunction.Toml(request.Env, request.Threads, request.Envs, text => platform.Logs.Append(name, "", "system", text));
        if (request.Zip is not { Length: > 0 }) throw TinyFaasFunction.Bad("'zip' is missing: send the code as a base64 zip");
        if (request.Zip.Length > MaxZip) throw TinyFaasFunction.Bad($"the zip is larger than {platform.Options.MaxUploadMiB} MiB (--max-upload)");
        using var zip = new MemoryStream(request.Zip, writable: false);
        await DeployAsync(context, name, toml, new CodeSource.Zip(zip)).ConfigureAwait(false);
    }

    private async Task UploadUrlAsync(HttpContext context)
    {
        var request = await ReadAsync(context, TinyFaasJson.Default.UploadUrlRequest).ConfigureAwait(false);
        var name = TinyFaasFunction.Name(request.Name);
        var toml = TinyFaasFunction.Toml(request.Env, request.Threads, request.Envs, text => platform.Logs.Append(name, "", "system", text));
        var path = Path.Combine(Path.GetTempPath(), $"stint-upload-{Guid.NewGuid():N}.zip");
        var file = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        await using var zip = new FileStream(path, file);
        using var remote = new RemoteZip(MaxZip, platform.Options.AllowLocalUrls);
        await remote.FetchAsync(request.Url, zip, context.RequestAborted).ConfigureAwait(false);
        zip.Position = 0;
        await DeployAsync(context, name, toml, new CodeSource.Zip(zip, request.SubfolderPath)).ConfigureAwait(false);
    }

    private async Task DeployAsync(HttpContext context, FunctionName name, string toml, CodeSource code)
    {
        await platform.DeployAsync(name, toml, code, static _ => { }, context.RequestAborted).ConfigureAwait(false);
        var answer = new StringBuilder();
        foreach (var endpoint in endpoints().Where(static endpoint => endpoint.Protocol is "http" or "coap" or "grpc"))
            answer.Append(CultureInfo.InvariantCulture, $"{endpoint.Url}/{name}\n");
        await WriteAsync(context, StatusCodes.Status200OK, answer.ToString()).ConfigureAwait(false);
    }

    private async Task DeleteAsync(HttpContext context)
    {
        var request = await ReadAsync(context, TinyFaasJson.Default.DeleteRequest).ConfigureAwait(false);
        var name = TinyFaasFunction.Name(request.Name);
        if (!await platform.Deployer.RemoveAsync(name, context.RequestAborted).ConfigureAwait(false)) throw NotFound(name);
    }

    private Task ListAsync(HttpContext context) =>
        WriteAsync(context, StatusCodes.Status200OK, string.Concat(platform.Registry.Snapshot.Functions.Keys.Select(static name => name.ToString()).Order(StringComparer.Ordinal).Select(static name => name + "\n")));

    private Task WipeAsync(HttpContext context) => platform.Deployer.WipeAsync(context.RequestAborted);

    private async Task LogsAsync(HttpContext context)
    {
        FunctionName? only = null;
        if (context.Request.Query["name"] is [{ Length: > 0 } text, ..])
        {
            if (!FunctionName.TryParse(text, out var name)) throw TinyFaasFunction.Bad($"'name' is not a function's name: {FunctionName.Rule}");
            if (!platform.Registry.Snapshot.Functions.ContainsKey(name)) throw NotFound(name);
            only = name;
        }
        context.Response.ContentType = "text/plain; charset=utf-8";
        foreach (var line in platform.Logs.Read(only, tail: null))
            await context.Response.WriteAsync($"function={line.Function} handler={line.Instance} {line.Time:yyyy-MM-ddTHH:mm:ss.fffffffZ} {line.Text}\n", context.RequestAborted).ConfigureAwait(false);
    }

    private static DeploymentException NotFound(FunctionName name) => new(DeploymentFault.NotFound, $"there is no function {name}; /list says which there are");

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        try
        {
            return await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted).ConfigureAwait(false) ?? throw TinyFaasFunction.Bad("the body must be a JSON object");
        }
        catch (JsonException failure)
        {
            throw TinyFaasFunction.Bad(failure.Path == "$.zip" ? "'zip' is not base64" : $"the body is not the JSON that was expected: {failure.Message}");
        }
    }

    private static Task WriteAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text);
    }
}
