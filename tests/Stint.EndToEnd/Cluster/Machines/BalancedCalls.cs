// Callers behind a load balancer, as clusters have it: it asks each gateway all the time whether it is ready (/readyz), sends calls to those that are, and passes a call on only when nobody accepted
// the connection. Any other answer than 200, and any answer that breaks off, is a failed call.
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>Calls that go on and on, through whichever gateways are ready.</summary>
internal sealed class BalancedCalls : IAsyncDisposable
{
    private readonly ConcurrentDictionary<StintDaemon, Gateway> _gateways = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Machine _from;
    private readonly string _function;
    private readonly HttpMethod _method;
    private readonly Task[] _callers;
    private int _answered;

    /// <summary>Begins to call, as soon as there is a gateway.</summary>
    /// <param name="from">The callers' machine.</param>
    /// <param name="function">What they call; it must answer 200.</param>
    /// <param name="callers">How many of them.</param>
    /// <param name="method">GET: a call that may be repeated; POST: one that may not, with a number as body, which must be the answer.</param>
    public BalancedCalls(Machine from, string function, int callers, HttpMethod? method = null)
    {
        (_from, _function, _method) = (from, function, method ?? HttpMethod.Post);
        _callers = [.. Enumerable.Range(0, callers).Select(_ => Task.Run(CallAsync))];
    }

    /// <summary>Calls that were answered so far.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>How and when each of the others ended.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    /// <summary>Fails with how and when each of the others ended.</summary>
    public void RequireNoFailures() => Assert.True(_failures.IsEmpty, string.Join('\n', _failures));

    /// <summary>One more gateway.</summary>
    public void Add(Machine machine, StintDaemon daemon) => _gateways[daemon] = new Gateway(_from.Client(new Uri($"http://{machine.Address}:{daemon.HttpPort}/")), daemon, _stop.Token);

    /// <summary>Waits until that many more calls have been answered.</summary>
    public Task AnswersAsync(int count)
    {
        var until = Answered + count;
        return Retry.UntilAsync($"{count} more calls are answered", () => Answered >= until, TimeSpan.FromMinutes(3));
    }

    /// <summary>Waits until a gateway gets no more calls, and has answered those that it got.</summary>
    public async Task RemoveAsync(StintDaemon daemon)
    {
        _gateways.TryRemove(daemon, out var gateway);
        gateway!.IsReady = false;
        await Retry.UntilAsync("its calls are answered", () => gateway.Running == 0);
        await gateway.DisposeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested) return;
        await _stop.CancelAsync();
        await Task.WhenAll(_callers);
        foreach (var gateway in _gateways.Values) await gateway.DisposeAsync();
        _stop.Dispose();
    }

    private async Task CallAsync()
    {
        for (var number = 0; !_stop.IsCancellationRequested; number++)
        {
            // Fewest calls first; at random among equals.
            var candidates = _gateways.Values.Where(static gateway => gateway.IsReady).OrderBy(static gateway => gateway.Running).ThenBy(static _ => Random.Shared.Next()).ToList();
            var isDone = false;
            foreach (var gateway in candidates)
            {
                if (isDone = await TryAsync(gateway, $"{number}")) break;
            }
            if (!isDone) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    /// <summary>Sends a call; false when nobody accepted the connection.</summary>
    private async Task<bool> TryAsync(Gateway gateway, string body)
    {
        gateway.Began();
        try
        {
            var hasBody = _method == HttpMethod.Post;
            using var request = new HttpRequestMessage(_method, _function) { Content = hasBody ? new StringContent(body) : null };
            using var answer = await gateway.Client.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode == HttpStatusCode.OK && (!hasBody || text == body)) Interlocked.Increment(ref _answered);
            else Failed($"{(int)answer.StatusCode} {text}");
            return true;
        }
        catch (HttpRequestException refused) when (refused.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused })
        {
            gateway.IsReady = false;
            return false;
        }
        catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException or IOException)
        {
            Failed(failure.ToString());
            return true;
        }
        finally
        {
            gateway.Ended();
        }
    }

    private void Failed(string how) => _failures.Enqueue(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{how} (at {TimeProvider.System.GetUtcNow():HH:mm:ss.fff})"));

    /// <summary>A gateway as the load balancer sees it.</summary>
    private sealed class Gateway : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop;
        private readonly Task _asking;
        private int _running;
        private volatile bool _isReady;

        public Gateway(HttpClient client, StintDaemon daemon, CancellationToken stop)
        {
            Client = client;
            _stop = CancellationTokenSource.CreateLinkedTokenSource(stop);
            _asking = Task.Run(() => AskAsync(daemon), CancellationToken.None);
        }

        public HttpClient Client { get; }

        public bool IsReady
        {
            get => _isReady;
            set => _isReady = value;
        }

        public int Running => Volatile.Read(ref _running);

        public void Began() => Interlocked.Increment(ref _running);

        public void Ended() => Interlocked.Decrement(ref _running);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _asking;
            Client.Dispose();
            _stop.Dispose();
        }

        private async Task AskAsync(StintDaemon daemon)
        {
            while (!_stop.IsCancellationRequested)
            {
                // A frozen one is not ready either.
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                limit.CancelAfter(TimeSpan.FromSeconds(5));
                try
                {
                    using var answer = await daemon.Management.GetAsync("readyz", limit.Token);
                    _isReady = answer.IsSuccessStatusCode;
                    await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, _stop.Token);
                }
                catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException or ObjectDisposedException)
                {
                    _isReady = false;
                }
            }
            _isReady = false;
        }
    }
}
