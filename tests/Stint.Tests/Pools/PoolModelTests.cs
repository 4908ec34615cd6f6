using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;
using Outcome = Stint.Invocations.Outcome;

namespace Stint.Tests.Pools;

/// <summary>
/// Random sequences of requests, answers, deaths, stops, deadlines, departures, deployments and clock moves, against the pool and against <see cref="PoolModel"/>: after each step both must agree on
/// every answer, on where each call is, and on how many instances are in which state.
/// </summary>
public sealed class PoolModelTests
{
    // Odd lengths, so that two things never happen at the same moment by chance: their order would be anybody's.
    private const int FirstBackoff = 1047;
    private const int Grace = 2020;

    [Fact]
    public void The_pool_does_what_the_model_does()
    {
        var scripts = Gen.Choose(0, 1_000_000).ArrayOf(90);
        Prop.ForAll(Arb.From(scripts, Shrink), Play).Check(Config.QuickThrowOnFailure.WithMaxTest(1500));
    }

    /// <summary>Scripts with a part left out; the first numbers are the function's settings and stay.</summary>
    private static IEnumerable<int[]> Shrink(int[] script)
    {
        for (var length = (script.Length - 5) / 2; length > 0; length /= 2)
            for (var start = 5; start + length <= script.Length; start += length)
                yield return [.. script[..start], .. script[(start + length)..]];
    }

    private static void Play(int[] script)
    {
        var spec = PoolBench.Spec with
        {
            ConcurrentRequests = 1 + script[0] % 3,
            SingleUse = script[0] % 5 == 0,
            MaxInstances = 1 + script[1] % 3,
            MaxQueue = 1 + script[2] % 5,
            MinInstances = Math.Max(0, script[3] % 4 - 1),
            KeepAlive = (script[4] % 4) switch { 0 => TimeSpan.Zero, 1 => Timeout.InfiniteTimeSpan, _ => TimeSpan.FromMilliseconds(3001) },
            OwnQueueTimeout = script[2] % 7 > 2 ? TimeSpan.FromMilliseconds(2003) : null,
            Timeout = TimeSpan.FromMilliseconds(4010),
            BootTimeout = TimeSpan.FromHours(1),
            HealthInterval = TimeSpan.FromMilliseconds(1709),
            HealthTimeout = TimeSpan.FromMilliseconds(811),
        };
        using var run = new Run(spec);
        run.Play(script.AsSpan(5));
    }

    private sealed class Run : IDisposable
    {
        private readonly FunctionSpec _spec;
        private readonly PoolBench _bench = new();
        private readonly PoolModel _model;
        private readonly FunctionPool _pool;
        private readonly List<Task<Reply>> _replies = [];
        private readonly List<CancellationTokenSource> _callers = [];
        private readonly Dictionary<ScriptedInstance, PoolModel.Instance> _twins = [];
        private readonly List<string> _log = [];
        private int _version = 1;

        public Run(FunctionSpec spec)
        {
            (_spec, _model) = (spec, new PoolModel(spec, FirstBackoff, Grace));
            _bench.Backend.StartsAtOnce = false;
            var options = new PoolOptions { FirstBackoff = TimeSpan.FromMilliseconds(FirstBackoff), CancelGrace = TimeSpan.FromMilliseconds(Grace) };
            _pool = new FunctionPool(_bench.Version(spec, "1"), _ => _bench.Backend, _bench.Budget, options, _bench.Time, NullLogger.Instance);
        }

        public void Play(ReadOnlySpan<int> script)
        {
            _log.Add($"{_spec}");
            _pool.Open();
            _model.Open();
            Compare();
            foreach (var number in script)
            {
                Step(number % 100, number / 100);
                Compare();
            }
            var closed = _pool.DisposeAsync();
            Check(closed.IsCompleted, "the pool does not close");
            Check(_replies.TrueForAll(reply => reply.IsCompleted), "a call was never answered");
            Check(_bench.Backend.Faults.Count == 0, string.Join("; ", _bench.Backend.Faults));
            Check(!_bench.Backend.Alive.Any() && !_bench.Backend.Booting.Any() && _bench.Budget.Used == 0, "something is left over");
        }

        public void Dispose()
        {
            foreach (var caller in _callers) caller.Dispose();
            _bench.Budget.Dispose();
        }

        private void Step(int kind, int which)
        {
            var running = _bench.Backend.RunningCalls.ToArray();
            switch (kind)
            {
                case < 30:
                    Request(which % 4 == 0 ? 1505 : null);
                    break;
                case < 50 when running.Length > 0:
                    var call = running[which % running.Length];
                    _log.Add($"answer {call.Invocation.CallId}");
                    call.Answer();
                    _model.Answer(Twin(call));
                    break;
                case < 70 when Booting() is { Length: > 0 } starts:
                    var start = which % starts.Length;
                    var twin = Starting()[start];
                    var fails = kind >= 66;
                    _log.Add($"start {start} {(fails ? "fails" : "succeeds")}");
                    if (fails)
                    {
                        starts[start].Fail("no");
                        _model.StartFails(twin);
                    }
                    else
                    {
                        _model.StartSucceeds(twin);
                        starts[start].Succeed(instance => _twins[instance] = twin);
                    }
                    break;
                case < 74 when running.Length > 0:
                    var streamed = running[which % running.Length];
                    if (streamed.Reply.IsCompleted) break;
                    _log.Add($"stream {streamed.Invocation.CallId}");
                    streamed.BeginStream();
                    PoolModel.BeginStream(Twin(streamed));
                    break;
                case < 76 when running.Length > 0:
                    var broken = running[which % running.Length];
                    if (broken.Reply.IsCompleted) break;
                    _log.Add($"break {broken.Invocation.CallId}");
                    broken.BreakContract();
                    _model.BreakContract(Twin(broken));
                    break;
                case < 80 when _callers.Count > 0:
                    var caller = _callers.Count - 1 - which % Math.Min(_callers.Count, 8);
                    _log.Add($"caller {caller} leaves");
                    _callers[caller].Cancel();
                    _model.CallerLeaves(_model.Calls[caller]);
                    break;
                case < 83 when _bench.Backend.Alive.ToArray() is { Length: > 0 } alive:
                    var instance = alive[which % alive.Length];
                    _log.Add($"instance {instance.Id} dies");
                    instance.Die("test");
                    _model.Dies(_twins[instance]);
                    break;
                case < 86 when which % 3 > 0 && _bench.Backend.Alive.ToArray() is { Length: > 0 } alive:
                    var cold = alive[which % alive.Length];
                    _log.Add($"instance {cold.Id} {(cold.IsFrozen ? "thaws" : "freezes")}");
                    if (cold.IsFrozen) _model.Thaws(_twins[cold]);
                    else PoolModel.Freezes(_twins[cold]);
                    cold.Freeze(!cold.IsFrozen);
                    break;
                case < 88:
                    _log.Add($"deploy {++_version}");
                    _ = _pool.Deploy(_bench.Version(_spec, $"{_version}"));
                    _model.Deploy(_version);
                    break;
                default:
                    var milliseconds = 100 * (1 + which % 24);
                    _log.Add($"advance {milliseconds}");
                    _bench.Time.Advance(milliseconds);
                    _model.Advance(milliseconds);
                    break;
            }
        }

        private void Request(int? own)
        {
            var id = _replies.Count;
            _log.Add($"request {id} {own}");
            var caller = new CancellationTokenSource();
            _callers.Add(caller);
            _replies.Add(_pool.Invoke($"{id}", own is { } limit ? TimeSpan.FromMilliseconds(limit) : null, caller.Token));
            _model.Request(id, own);
        }

        private PendingStart[] Booting() => [.. _bench.Backend.Booting];

        private PoolModel.Instance[] Starting() => [.. _model.Instances.Where(instance => instance.State == PoolModel.State.Starting)];

        private PoolModel.Call Twin(ScriptedCall call) => _model.Calls[int.Parse(call.Invocation.CallId, CultureInfo.InvariantCulture)];

        private void Compare()
        {
            Check(_model.Queue.Count == _pool.QueueLength, $"queue: model {_model.Queue.Count}, pool {_pool.QueueLength}");
            foreach (var state in Enum.GetValues<PoolModel.State>())
                Check(_model.Count(state) == _pool.Count((InstanceState)(int)state), $"{state}: model {_model.Count(state)}, pool {_pool.Count((InstanceState)(int)state)}");
            Check(Booting().Select(start => start.Version.Id).SequenceEqual(Starting().Select(start => $"{start.Version}")), "other versions boot");
            foreach (var call in _model.Calls)
            {
                var reply = _replies[call.Id];
                Outcome? outcome = reply.IsCompletedSuccessfully ? reply.GetAwaiter().GetResult().Outcome : null;
                Check(outcome == call.Outcome, $"call {call.Id}: model {call.Outcome}, pool {outcome}");
            }
            var running = _bench.Backend.RunningCalls.ToArray();
            Check(running.Length == _model.Calls.Count(call => call.Running), "other calls run");
            foreach (var call in running)
                Check(ReferenceEquals(_twins[call.Instance], Twin(call).Instance), $"call {call.Invocation.CallId} is in {call.Instance.Id}, not where the model has it");
            foreach (var instance in _bench.Backend.Alive)
                Check(instance.Version.Id == $"{_twins[instance].Version}", $"{instance.Id} changed its version");
            Check(_pool.Describe().VersionId == $"{_model.Version}", "another version serves");
        }

        private void Check(bool good, string problem)
        {
            if (!good) throw new InvalidOperationException($"{problem}\nafter\n{string.Join('\n', _log)}");
        }
    }
}
