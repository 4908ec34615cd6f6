using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Deliveries;
using Stint.Deliveries.Callbacks;
using Stint.Deliveries.Storage;
using Stint.Invocations;
using Stint.Telemetry.Logs;
using Stint.Tests.Functions;
using Stint.Tests.Time;

namespace Stint.Tests.Deliveries;

/// <summary>Asynchronous calls over a real store in virtual time; what a function answers is the test's.</summary>
internal sealed class CallsRig : IAsyncDisposable
{
    private readonly TempFolder _folder;
    private readonly bool _ownsFolder;
    private readonly FunctionLogs _logs;

    public CallsRig(TempFolder? folder = null, StoreLimits? limits = null, params IDeliveryKind[] kinds)
    {
        _ownsFolder = folder is null;
        _folder = folder ?? new TempFolder();
        _logs = new FunctionLogs(_folder["logs"], 1024 * 1024, TimeProvider.System, NullLogger.Instance);
        Slot = new StoreSlot(_folder["async"], limits ?? new StoreLimits { Reserve = 0 }, Time, NullLogger<StoreSlot>.Instance);
        Slot.Open();
        Assert.Null(Slot.Problem);
        Outbox = new Outbox(Slot, 4, _logs, Time, NullLogger<Outbox>.Instance);
        foreach (var kind in kinds) Outbox.Register(kind);
        Calls = new AsyncCalls(new AsyncParts
        {
            Slot = Slot,
            Invoke = InvokeAsync,
            Refuse = name => Refuse(name),
            Policy = _ => Policy,
            Outbox = Outbox,
            Followers = Followers,
            Callbacks = new CallbackRules([]),
            Logs = _logs,
            Options = new AsyncOptions { Concurrency = 8, MaxResult = 1000 },
            Time = Time,
            Logger = NullLogger<AsyncCalls>.Instance,
        });
    }

    public FakeTime Time { get; } = new();

    public StoreSlot Slot { get; }

    public Outbox Outbox { get; }

    public Followers Followers { get; } = new();

    public AsyncCalls Calls { get; }

    public AsyncPolicy Policy { get; set; } = new() { Concurrency = 4 };

    public Func<FunctionName, Reply?> Refuse { get; set; } = static _ => null;

    /// <summary>What the function answers.</summary>
    public Func<Invocation, Task<Reply>> Function { get; set; } = static _ => Task.FromResult(Answer("ok"));

    /// <summary>Tries, with their virtual moments.</summary>
    public ConcurrentQueue<(string CallId, TimeSpan At)> Tries { get; } = new();

    public FunctionUsage Usage => Slot.Store!.Usage.Of(StoreFolder.Name());

    /// <summary>Nothing waits or runs, and all of it is on disk and counted.</summary>
    public bool IsIdle => Usage is { Calls: 0, Deliveries: 0 } && Calls.Running == 0 && Outbox.Running == 0;

    public static Reply Answer(string text, int status = 200, params (string Name, string Value)[] headers)
    {
        var list = new HeaderList { { "Content-Type", "text/x-test" } };
        foreach (var (name, value) in headers) list.Add(name, value);
        return Reply.Answer(status, list, Encoding.UTF8.GetBytes(text));
    }

    public static Invocation Call(string id, string body = "body", HeaderList? headers = null) => new()
    {
        Function = StoreFolder.Name(), CallId = id, HasOwnCallId = true, Path = "/p", Query = "q=1", Headers = headers ?? new HeaderList { { "X-Test", "yes" } }, Body = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)),
    };

    /// <summary>Accepts a call, and says why not.</summary>
    public async Task<Reply?> AcceptAsync(string id) => await Calls.AcceptAsync(Call(id));

    public async Task BeginAsync()
    {
        await Outbox.BeginAsync();
        await Calls.BeginAsync();
    }

    /// <summary>Lets virtual time pass, a little at a time so that what it sets off gets to run, until the condition holds.</summary>
    public async Task AdvanceUntilAsync(Func<bool> condition, int milliseconds = 50)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(60), "it did not come true");
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
            Time.Advance(milliseconds);
        }
    }

    public async Task<IReadOnlyList<EntryView>> ListAsync(bool? dead = null) => await Slot.Store!.ListAsync(new EntryFilter(IsDead: dead), 1000);

    public async ValueTask DisposeAsync()
    {
        await Calls.DisposeAsync();
        await Outbox.DisposeAsync();
        await Slot.DisposeAsync();
        await _logs.DisposeAsync();
        if (_ownsFolder) _folder.Dispose();
    }

    private async ValueTask<Reply> InvokeAsync(Invocation call)
    {
        Tries.Enqueue((call.CallId, Time.Elapsed));
        return await Function(call);
    }
}
