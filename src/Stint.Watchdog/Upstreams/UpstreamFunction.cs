using Stint.Watchdog.Http;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Upstreams;

/// <summary>A function that is one process which speaks HTTP: requests are passed on to it.</summary>
internal sealed class UpstreamFunction(WatchdogSettings settings, IReadOnlyList<byte[]> addresses, TimeProvider time) : IAnswerer
{
    private const int Kept = 32;   // idle connections of each loop; arbitrary, above the usual concurrency
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(30); // arbitrary: for a process to begin to listen, where no time limit is shorter

    [ThreadStatic] private static Stack<UpstreamConnection>? t_idle;

    private readonly long _started = time.GetTimestamp();
    private volatile bool _hasListened;

    /// <summary>The settings of the watchdog.</summary>
    public WatchdogSettings Settings => settings;

    /// <summary>What comes before a request's target.</summary>
    public byte[] Prefix { get; } = System.Text.Encoding.ASCII.GetBytes(settings.Upstream!.AbsolutePath.TrimEnd('/'));

    /// <inheritdoc/>
    public ValueTask AnswerAsync(Exchange exchange) => new UpstreamCall(exchange, this).RunAsync();

    /// <summary>A connection to the process. While it is still starting this waits for it to listen.</summary>
    /// <param name="exchange">The call.</param>
    /// <returns>Null, with the reason, when there is none.</returns>
    public async ValueTask<(UpstreamConnection? Connection, string Failure)> ConnectAsync(Exchange exchange)
    {
        while (t_idle is { Count: > 0 } idle)
        {
            var kept = idle.Pop();
            if (kept.IsUsable(exchange.Loop.Now)) return (kept, "");
            kept.Close();
        }
        Wakeup? wait = null;
        LoopTimer? timer = null;
        while (true)
        {
            var error = 0;
            foreach (var address in addresses)
            {
                var (connection, problem) = await UpstreamConnection.ConnectAsync(exchange.Loop, address);
                if (connection is not null)
                {
                    _hasListened = true;
                    return (connection, "");
                }
                if (error != Libc.ErrorRefused) error = problem; // localhost has two addresses, one of which may not exist at all
            }
            if (_hasListened || exchange.Ended != EndReason.None || error != Libc.ErrorRefused || time.GetElapsedTime(_started) > StartTime)
                return (null, $"The function's process does not take connections at {settings.Upstream} ({System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(error)}). Does it listen there?");
            wait ??= new(exchange.Loop);
            timer ??= new(exchange.Loop, wait.Set);
            timer.Arm(Retry);
            await wait;
        }
    }

    /// <summary>Takes a connection back for the next call.</summary>
    public static void Return(UpstreamConnection connection)
    {
        var idle = t_idle ??= new();
        connection.Rest();
        if (idle.Count < Kept) idle.Push(connection);
        else connection.Close();
    }
}
