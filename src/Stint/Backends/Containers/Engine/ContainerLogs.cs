using Stint.Telemetry.Logs;

namespace Stint.Backends.Containers.Engine;

/// <summary>Follows containers' output line by line, across restarts of the engine.</summary>
internal sealed class ContainerLogs(EngineClient engine, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);

    /// <summary>How far the moments of the two outputs may be out of order, nanoseconds. Arbitrary; a larger one only costs reading more twice.</summary>
    private const long Disorder = 1_000_000_000;

    /// <summary>Follows a container without a terminal that has been started: from its first line until its output ends, which is when it does not run any more.</summary>
    /// <param name="onLine">Takes each line; lines are cut at <see cref="LineSplitter.MaxLine"/> bytes. Not called at the same time.</param>
    /// <exception cref="EngineException">The engine is there and does not give the output, for example because the log driver keeps none.</exception>
    public async Task FollowAsync(string id, Action<OutputKind, string> onLine, CancellationToken cancellationToken)
    {
        var stdout = new Follower(new LineSplitter(line => onLine(OutputKind.Stdout, line)));
        var stderr = new Follower(new LineSplitter(line => onLine(OutputKind.Stderr, line)));
        var isRunning = true;
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                var latest = Math.Max(stdout.Last, stderr.Last);
                stdout.Resume();
                stderr.Resume();
                var query = new LogsQuery { Follow = isRunning, Timestamps = true, Since = latest > 0 ? latest - Disorder : null };
                await using var output = await engine.Containers.OpenLogsAsync(id, query, cancellationToken);
                while (await output.ReadAsync(cancellationToken) is { } piece)
                    if ((piece.Kind is OutputKind.Stderr ? stderr : stdout).Take(piece)) pause = FirstPause;
                if (!isRunning) break;
                // An engine that is stopped in good order ends the output of containers that go on without it.
                isRunning = (await engine.Containers.InspectAsync(id, cancellationToken)).State.Running;
                // Docker may end what it tells a follower before its last lines when a container prints much and ends at once (moby's followLogs): they are read when all has been written.
                if (!isRunning) continue;
            }
            catch (EngineException gone) when (gone.Fault is EngineFault.NoContainer)
            {
                break;
            }
            catch (EngineException away) when (away.IsEngineAway)
            {
                // It comes back, or the caller knows better and cancels.
            }
            await Task.Delay(pause, time, cancellationToken);
        }
        stdout.End();
        stderr.End();
    }

    /// <summary>One of the two outputs, whose messages come in the order of their moments; those of both together do not.</summary>
    private sealed class Follower(LineSplitter lines)
    {
        private bool _isKnown;
        private long _before;

        /// <summary>The moment of the last message; zero = none.</summary>
        public long Last { get; private set; }

        /// <summary>A stream begins: what is not later than the last message before it was told already.</summary>
        // Moments within a stream are not compared with each other: Podman's have whole seconds.
        public void Resume() => _before = Last;

        /// <summary>Takes a piece; true when it is new. After a gap the engine tells some messages again.</summary>
        public bool Take(in OutputPiece piece)
        {
            var bytes = piece.Bytes.Span;
            if (piece.IsStart)
            {
                var end = bytes.IndexOf((byte)' ');
                var hasMoment = EngineTime.TryParse(end < 0 ? bytes : bytes[..end], out var moment);
                _isKnown = hasMoment && moment <= _before;
                if (hasMoment) bytes = end < 0 ? [] : bytes[(end + 1)..];
                if (hasMoment && moment > Last) Last = moment;
            }
            // An empty piece would be taken for the end.
            if (!_isKnown && !bytes.IsEmpty) lines.Take(bytes);
            return !_isKnown;
        }

        /// <summary>There is no more.</summary>
        public void End() => lines.Take([]);
    }
}
