using Microsoft.Extensions.Logging.Abstractions;
using Stint.Deliveries;
using Stint.Deliveries.Callbacks;
using Stint.Deliveries.Storage;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Tests.Deliveries;

/// <summary>Asynchronous calls for those who need the part and never make one: there is no store, and each is refused.</summary>
internal static class UnopenedCalls
{
    public static AsyncCalls Of(Func<Invocation, ValueTask<Reply>> invoke, FunctionLogs logs)
    {
        var slot = new StoreSlot("/nonexistent", new StoreLimits(), TimeProvider.System, NullLogger<StoreSlot>.Instance);
        return new AsyncCalls(new AsyncParts
        {
            Slot = slot, Invoke = invoke, Refuse = static _ => null, Policy = static _ => new AsyncPolicy(), Followers = new Followers(), Callbacks = new CallbackRules([]), Logs = logs,
            Outbox = new Outbox(slot, 1, logs, TimeProvider.System, NullLogger<Outbox>.Instance), Time = TimeProvider.System, Logger = NullLogger<AsyncCalls>.Instance,
        });
    }
}
