using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Features;
using Stint.Functions.Deployments;
using Stint.Management;
using Stint.Management.OpenApi;

namespace Stint.Dialects.OpenFaas;

/// <summary>Requests and answers of OpenFaaS's management API: JSON in, JSON out, errors as a line of text.</summary>
internal static class FaasRequest
{
    // The longest body is a secret of 1 MiB in base64, beside which it may stand as text once more.
    private const long MaxBody = 4 * 1024 * 1024;

    /// <summary>Adds a route whose failures become answers.</summary>
    public static void Map(IEndpointRouteBuilder routes, string method, string path, RequestDelegate handle, ApiDescription description) => routes.MapMethods(path, [method], async context =>
    {
        try
        {
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MaxBody;
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
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && !context.RequestAborted.IsCancellationRequested)
        {
            var lacks = DeploymentException.FromFileSystem(failure, "store that");
            await WriteAsync(context, ManagementError.Status(lacks.Fault), lacks.Message + "\n").ConfigureAwait(false);
        }
    }).Describe(description);

    /// <summary>The body.</summary>
    /// <exception cref="DeploymentException">It is not what was expected.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        try
        {
            return await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted).ConfigureAwait(false) ?? throw FaasFunction.Bad("the body must be a JSON object");
        }
        catch (JsonException failure)
        {
            // Not the parser's words: they may quote a secret.
            throw FaasFunction.Bad(failure.Path is { Length: > 2 } path ? $"the body has something else than was expected at {path}" : "the body is not the JSON object that was expected");
        }
    }

    /// <summary>An answer in JSON.</summary>
    public static Task WriteAsync<T>(HttpContext context, T view, JsonTypeInfo<T> type)
    {
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(view, type)).AsTask();
    }

    /// <summary>An answer in words.</summary>
    public static Task WriteAsync(HttpContext context, int status, string text)
    {
        if (context.Response.HasStarted) return Task.CompletedTask;
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text);
    }
}
