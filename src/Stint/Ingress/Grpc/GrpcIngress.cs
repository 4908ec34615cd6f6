// A call's way (numbers as in the code):
//
//   1. what is no gRPC at all gets an HTTP status: 405, 415
//   2. the path /package.Service/Method names the method
//   3. grpc-encoding, grpc-timeout
//   4. the method reads its messages, has the function run, writes its messages
//   5. grpc-status, whatever happened: in trailers behind messages, else alone (Trailers-Only)
//
// As for HTTP this is Kestrel without ASP.NET's pipeline, and the gRPC layer is our own: docs/decisions/0008-grpc.md says why.
using System.Collections.Frozen;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Stint.Ingress.Grpc.Wire;
using Stint.Ingress.Http;

namespace Stint.Ingress.Grpc;

/// <summary>Serves gRPC's services on HTTP/2 streams.</summary>
/// <param name="services">All of them.</param>
/// <param name="maxMessage">The longest message, bytes.</param>
/// <param name="time">Deadlines' clock.</param>
/// <param name="logger">For errors of our own.</param>
internal sealed partial class GrpcIngress(IReadOnlyList<GrpcService> services, int maxMessage, TimeProvider time, ILogger<GrpcIngress> logger) : IHttpApplication<IFeatureCollection>
{
    private const string ContentType = "application/grpc";

    private readonly FrozenDictionary<string, GrpcMethod> _methods =
        services.SelectMany(static service => service.Methods.Select(method => KeyValuePair.Create($"/{service.Name}/{method.Name}", method))).ToFrozenDictionary(StringComparer.Ordinal);

    /// <inheritdoc/>
    public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

    /// <inheritdoc/>
    public void DisposeContext(IFeatureCollection context, Exception? exception) { }

    /// <inheritdoc/>
    public async Task ProcessRequestAsync(IFeatureCollection context)
    {
        var request = context.GetRequiredFeature<IHttpRequestFeature>();
        var response = context.GetRequiredFeature<IHttpResponseFeature>();

        // 1.
        if (!IsGrpc(request.Headers.ContentType))
        {
            response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            response.Headers["Accept-Post"] = ContentType;
            return;
        }
        if (request.Method != HttpMethods.Post)
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = HttpMethods.Post;
            return;
        }
        response.Headers.ContentType = ContentType;

        // 2.
        if (!_methods.TryGetValue(request.Path, out var method))
        {
            GrpcCall.Finish(context, response, hasMessages: false, new(GrpcStatusCode.Unimplemented, $"there is no method {HttpError.Printable(request.Path)}; server reflection lists what there is"));
            return;
        }
        if (method.IsLongLived && context.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate) rate.MinDataRate = null;

        // 3. 4.
        var status = await RunAsync(context, request, response, method).ConfigureAwait(false);

        // 5.
        GrpcCall.Finish(context, response, hasMessages: status.Code == GrpcStatusCode.Ok, status);
    }

    private async Task<GrpcStatus> RunAsync(IFeatureCollection context, IHttpRequestFeature request, IHttpResponseFeature response, GrpcMethod method)
    {
        GrpcCall? call = null;
        try
        {
            call = new GrpcCall(context, request, response, maxMessage, time);
            return await method.RunAsync(call).ConfigureAwait(false);
        }
        catch (GrpcException failure)
        {
            return failure.Status;
        }
        // The caller's going shows as whatever was being done at that moment.
        catch (Exception) when (call?.CallerGone.IsCancellationRequested == true)
        {
            return new(GrpcStatusCode.Cancelled, "the caller has left");
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException && call?.Ended.IsCancellationRequested == true)
        {
            return new(GrpcStatusCode.DeadlineExceeded, "the caller's deadline passed");
        }
        catch (IOException failure)
        {
            // Kestrel could not read the request, or a streamed answer broke off.
            return new(GrpcStatusCode.Internal, failure.Message);
        }
        catch (Exception failure)
        {
            Failed(logger, request.Path, failure);
            return new(GrpcStatusCode.Internal, "an error inside the daemon; its log says more");
        }
        finally
        {
            call?.Dispose();
        }
    }

    // application/grpc, with or without "+proto"; other message formats are not understood.
    private static bool IsGrpc(string? contentType)
    {
        if (contentType is null || !contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)) return false;
        var rest = contentType.AsSpan(ContentType.Length);
        if (rest.StartsWith("+proto", StringComparison.OrdinalIgnoreCase)) rest = rest["+proto".Length..];
        return rest.IsEmpty || rest[0] is ';' or ' ';
    }

    [LoggerMessage(320, LogLevel.Error, "the gRPC call {Path} failed in the daemon itself")]
    private static partial void Failed(ILogger logger, string path, Exception failure);
}
