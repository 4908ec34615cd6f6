using System.Text.Json;
using Stint.Functions.Deployments;

namespace Stint.Management;

/// <summary>Refusals of the management API: <c>{"error":{"code":"…","message":"…"}}</c>.</summary>
internal static class ManagementError
{
    /// <summary>Writes one.</summary>
    public static Task WriteAsync(HttpContext context, int status, string code, string message)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new ErrorBodyView(new ErrorView(code, message)), ManagementJson.Default.ErrorBodyView)).AsTask();
    }

    /// <summary>Writes what became of a deployment.</summary>
    public static Task WriteAsync(HttpContext context, DeploymentException failure) => WriteAsync(context, Status(failure.Fault), Code(failure.Fault), failure.Message);

    /// <summary>Status of a deployment that did not happen, the same for every HTTP dialect.</summary>
    public static int Status(DeploymentFault fault) => fault switch
    {
        DeploymentFault.BadRequest => StatusCodes.Status400BadRequest,
        DeploymentFault.BuildFailed => StatusCodes.Status400BadRequest,
        DeploymentFault.NotFound => StatusCodes.Status404NotFound,
        DeploymentFault.Conflict => StatusCodes.Status409Conflict,
        DeploymentFault.HostLacks => StatusCodes.Status503ServiceUnavailable,
    };

    /// <summary>The word for it.</summary>
    public static string Code(DeploymentFault fault) => fault switch
    {
        DeploymentFault.BadRequest => "bad-request",
        DeploymentFault.BuildFailed => "build-failed",
        DeploymentFault.NotFound => "not-found",
        DeploymentFault.Conflict => "conflict",
        DeploymentFault.HostLacks => "host-lacks",
    };
}
