using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Tests.Pools;

/// <summary>Instances that answer every call before they return from it; optionally the first call is held.</summary>
internal sealed class OnTheSpotBackend : IBackend
{
    private TaskCompletionSource<Reply>? _held;

    public static Reply Answer() => Reply.Answer(200, [], default);

    public void Hold() => _held = new TaskCompletionSource<Reply>();

    public void LetGo()
    {
        var held = _held!;
        _held = null;
        held.SetResult(Answer());
    }

    public Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken) => Task.FromResult<IInstance>(new Instance(this));

    private sealed class Instance(OnTheSpotBackend backend) : IInstance
    {
        private readonly TaskCompletionSource<string> _ended = new();

        public string Id => "spot";

        public Task<string> Ended => _ended.Task;

        public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken) =>
            backend._held is { } held ? new ValueTask<Reply>(held.Task) : new ValueTask<Reply>(Answer());

        public InstanceUsage ReadUsage() => default;

        public ValueTask DisposeAsync()
        {
            _ended.TrySetResult("disposed");
            return default;
        }
    }
}
