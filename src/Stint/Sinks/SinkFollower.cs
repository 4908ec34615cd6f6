using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Specification;
using Stint.Invocations;

namespace Stint.Sinks;

/// <summary>What of a function's result goes to its sinks.</summary>
/// <param name="spec">The function.</param>
internal sealed class SinkFollower(FunctionSpec spec)
{
    // A version's sinks do not change: their texts are made once.
    private readonly (string Kind, string Target)[] _sinks = [.. spec.Sinks.Select(static sink => (sink.Type, TriggerJson.Text(sink))).Distinct()];

    /// <summary>One delivery for each sink.</summary>
    public IEnumerable<Delivery> Of(Invocation call, CallResult result) => _sinks.Select(sink => new Delivery
    {
        Kind = sink.Kind, Target = sink.Target, Function = call.Function, CallId = call.CallId, ContentType = result.ContentType, Body = result.Body, Status = result.Status, Took = result.Took,
    });
}
