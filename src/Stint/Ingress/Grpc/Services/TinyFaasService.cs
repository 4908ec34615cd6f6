using System.Globalization;
using System.Text;
using Stint.Ingress.Grpc.Messages.TinyFaas;
using Stint.Ingress.Grpc.Wire;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Ingress.Grpc.Services;

/// <summary>
/// <c>openfogstack.tinyfaas.tinyfaas.TinyFaaS</c> (contract tinyfaas.md, "gRPC"). Its answer is a text and nothing else: a function's headers go out as metadata, and a status of 400 or more, which
/// the message has no place for, is an error INTERNAL.
/// </summary>
internal sealed class TinyFaasService(FunctionCalls calls)
{
    private const int FirstErrorStatus = 400;

    /// <summary>The service.</summary>
    public GrpcService Definition => new("openfogstack.tinyfaas.tinyfaas.TinyFaaS", TinyfaasReflection.Descriptor, new GrpcMethod("Request", RequestAsync));

    private async Task<GrpcStatus> RequestAsync(GrpcCall call)
    {
        var request = await call.ReadSingleAsync(Data.Parser).ConfigureAwait(false);
        var target = RequestTarget.Parse(request.FunctionIdentifier);
        if (!target.TryGetFunction(out var function)) return FunctionCalls.NoName(target.Name);
        var body = request.Data_.Length == 0 ? ReadOnlyMemory<byte>.Empty : Encoding.UTF8.GetBytes(request.Data_);
        var invocation = FunctionCalls.Create(call, function, "", target.Path, target.Query, [], body);
        if (FunctionCalls.IsAsync(call))
        {
            if (await calls.AcceptAsync(call, invocation).ConfigureAwait(false) is { } refusal) return refusal;
            call.Write(new Response());
            return GrpcStatus.Ok;
        }
        using var reply = await calls.InvokeAsync(invocation).ConfigureAwait(false);
        if (reply.Outcome != Outcome.Answered) return FunctionCalls.Failed(call, invocation, reply);
        Metadata.AddHeaders(call.ResponseMetadata, reply.Headers);
        var text = Encoding.UTF8.GetString((await calls.ReadBodyAsync(call, reply).ConfigureAwait(false)).Span);
        if (reply.Status >= FirstErrorStatus)
            return new(GrpcStatusCode.Internal, string.Create(CultureInfo.InvariantCulture, $"the function answered with status {reply.Status}{(text.Length == 0 ? "" : ": ")}{text}"));
        call.Write(new Response { Response_ = text });
        return GrpcStatus.Ok;
    }
}
