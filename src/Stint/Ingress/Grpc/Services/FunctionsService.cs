using Google.Protobuf;
using Google.Protobuf.Collections;
using Stint.Ingress.Grpc.Wire;
using Stint.Invocations;
using Stint.V1;

namespace Stint.Ingress.Grpc.Services;

/// <summary><c>stint.v1.Functions</c>; proto/stint.proto is its documentation.</summary>
internal sealed class FunctionsService(FunctionCalls calls)
{
    /// <summary>The service.</summary>
    public GrpcService Definition => new("stint.v1.Functions", StintReflection.Descriptor, new GrpcMethod("Invoke", InvokeAsync), new GrpcMethod("InvokeStream", InvokeStreamAsync));

    private async Task<GrpcStatus> InvokeAsync(GrpcCall call)
    {
        var request = await call.ReadSingleAsync(InvokeRequest.Parser).ConfigureAwait(false);
        if (!FunctionName.TryParse(request.Function, out var function)) return FunctionCalls.NoName(request.Function);
        var invocation = Create(call, function, request);
        if (FunctionCalls.IsAsync(call))
        {
            if (await calls.AcceptAsync(call, invocation).ConfigureAwait(false) is { } refusal) return refusal;
            call.Write(new InvokeResponse { Status = StatusCodes.Status202Accepted });
            return GrpcStatus.Ok;
        }
        using var reply = await calls.InvokeAsync(invocation).ConfigureAwait(false);
        if (reply.Outcome != Outcome.Answered) return FunctionCalls.Failed(call, invocation, reply);
        var response = new InvokeResponse { Status = reply.Status };
        AddHeaders(response.Headers, reply.Headers);
        // Not copied: the message is serialised before the reply is disposed of.
        response.Body = UnsafeByteOperations.UnsafeWrap(await calls.ReadBodyAsync(call, reply).ConfigureAwait(false));
        call.Write(response);
        return GrpcStatus.Ok;
    }

    private async Task<GrpcStatus> InvokeStreamAsync(GrpcCall call)
    {
        var request = await call.ReadSingleAsync(InvokeRequest.Parser).ConfigureAwait(false);
        if (!FunctionName.TryParse(request.Function, out var function)) return FunctionCalls.NoName(request.Function);
        var invocation = Create(call, function, request);
        if (FunctionCalls.IsAsync(call))
        {
            if (await calls.AcceptAsync(call, invocation).ConfigureAwait(false) is { } refusal) return refusal;
            call.Write(new InvokeStreamResponse { Status = StatusCodes.Status202Accepted });
            return GrpcStatus.Ok;
        }
        using var reply = await calls.InvokeAsync(invocation).ConfigureAwait(false);
        if (reply.Outcome != Outcome.Answered) return FunctionCalls.Failed(call, invocation, reply);
        var first = new InvokeStreamResponse { Status = reply.Status, Body = UnsafeByteOperations.UnsafeWrap(reply.Body) };
        AddHeaders(first.Headers, reply.Headers);
        await call.SendAsync(first).ConfigureAwait(false);
        if (reply.Rest is not { } rest) return GrpcStatus.Ok;
        // One message object for all pieces: it is serialised when SendAsync has returned, and so is the piece that it points to.
        var next = new InvokeStreamResponse();
        while (await rest.ReadAsync(call.Ended).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            next.Body = UnsafeByteOperations.UnsafeWrap(piece);
            await call.SendAsync(next).ConfigureAwait(false);
        }
        return GrpcStatus.Ok;
    }

    private static Invocation Create(GrpcCall call, FunctionName function, InvokeRequest request) =>
        FunctionCalls.Create(call, function, request.Method, request.Path, request.Query, request.Headers, request.Body.Memory);

    private static void AddHeaders(MapField<string, string> target, HeaderList headers)
    {
        foreach (var (name, value) in headers) target[name] = target.TryGetValue(name, out var earlier) ? $"{earlier}, {value}" : value;
    }
}
