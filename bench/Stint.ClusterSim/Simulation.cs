using System.Diagnostics;
using Stint.Scheduling;

namespace Stint.ClusterSim;

/// <summary>What is simulated.</summary>
/// <param name="Nodes">Workers.</param>
/// <param name="Memory">Of each, MiB for functions.</param>
/// <param name="Cores">Of each.</param>
/// <param name="KeepAlive">Seconds that an idle instance is kept.</param>
/// <param name="ColdStart">Seconds that a start adds to a call.</param>
/// <param name="Gateways">Each knows at once what it does itself, and of the others what workers report.</param>
/// <param name="Report">Seconds between two reports of a worker.</param>
internal sealed record Setting(int Nodes, int Memory, int Cores, double KeepAlive, double ColdStart, int Gateways, double Report);

/// <summary>What came of it.</summary>
internal sealed record Result(string Policy, long Calls, long Cold, long Retried, long Lost, double Imbalance, double LatencyP50, double LatencyP99, double DecisionP50, double DecisionP99);

/// <summary>One policy on one trace, in virtual time. The policies are those of src/Stint; only the workers are played.</summary>
internal sealed class Simulation
{
    private const int Tries = 3;

    private readonly Setting _setting;
    private readonly Trace _trace;
    private readonly string _policy;
    private readonly Node[] _nodes;
    private readonly View[] _views;
    private readonly PriorityQueue<(int Node, int Function, int Gateway), double> _ends = new();
    private readonly Random _random = new(3);
    private readonly List<double> _latencies = [], _decisions = [];
    private double _nextReport, _imbalance;
    private long _samples, _calls, _cold, _retried, _lost;

    private Simulation(Setting setting, Trace trace, string policy)
    {
        (_setting, _trace, _policy) = (setting, trace, policy);
        _nodes = [.. Enumerable.Range(0, setting.Nodes).Select(_ => new Node(setting.Memory, setting.Cores, setting.KeepAlive))];
        _views = [.. Enumerable.Range(0, setting.Gateways).Select(_ => new View(setting))];
    }

    /// <summary>Plays the whole trace.</summary>
    public static Result Run(Setting setting, Trace trace, string policy) => new Simulation(setting, trace, policy).Run();

    private Result Run()
    {
        foreach (var (at, function, duration) in _trace.Calls())
        {
            Until(at);
            Place(at, function, duration);
        }
        return new Result(_policy, _calls, _cold, _retried, _lost, _imbalance / Math.Max(1, _samples), Quantile(_latencies, 0.5), Quantile(_latencies, 0.99), Quantile(_decisions, 0.5), Quantile(_decisions, 0.99));
    }

    private void Until(double now)
    {
        while (true)
        {
            var end = _ends.TryPeek(out _, out var when) ? when : double.MaxValue;
            if (Math.Min(end, _nextReport) > now) return;
            if (end <= _nextReport)
            {
                var (node, function, gateway) = _ends.Dequeue();
                _nodes[node].End(function, _trace.Memory(function), end, _trace.Memory);
                _views[gateway].Ended(node, function);
            }
            else
            {
                Report(_nextReport);
                _nextReport += _setting.Report;
            }
        }
    }

    private void Place(double now, int function, double duration)
    {
        _calls++;
        var gateway = _random.Next(_setting.Gateways);
        var view = _views[gateway];
        var size = _trace.Memory(function);
        for (var attempt = 0; ; attempt++)
        {
            var began = Stopwatch.GetTimestamp();
            var node = Choose(view, function, size);
            if ((_calls & 15) == 0) _decisions.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
            var taken = node < 0 ? null : _nodes[node].TryTake(function, size, now, _trace.Memory);
            if (taken is { } warm)
            {
                if (!warm) _cold++;
                view.Placed(node, function, size, warm);
                var slowdown = Math.Max(1, (double)_nodes[node].Running / _setting.Cores);
                var latency = ((warm ? 0 : _setting.ColdStart) + duration) * slowdown;
                if ((_calls & 15) == 0) _latencies.Add(latency / duration);
                _ends.Enqueue((node, function, gateway), now + latency);
                return;
            }
            if (node >= 0) view.Full(node);
            if (attempt == Tries)
            {
                _lost++;
                return;
            }
            _retried++;
        }
    }

    private int Choose(View view, int function, int size)
    {
        var request = new SchedulingRequest(null, size);
        var placement = _policy switch
        {
            "warm-first" => WarmFirstPolicy.Choose(request, view.Workers, view.Warm(function), _random),
            "most-memory" => DefaultPolicy.Choose(request, view.Workers, _random),
            _ => Placement.On(view.Workers[_random.Next(view.Workers.Count)]),
        };
        return placement.Worker is { } name ? View.Place(name) : -1;
    }

    private void Report(double now)
    {
        foreach (var node in _nodes) node.Expire(now, _trace.Memory);
        foreach (var view in _views) view.Refresh(_nodes);
        var loads = _nodes.Select(static node => (double)node.Running / node.Cores).ToArray();
        var mean = loads.Average();
        if (mean == 0) return;
        _imbalance += Math.Sqrt(loads.Average(load => (load - mean) * (load - mean))) / mean;
        _samples++;
    }

    private static double Quantile(List<double> values, double quantile)
    {
        values.Sort();
        return values.Count == 0 ? 0 : values[(int)(quantile * (values.Count - 1))];
    }
}
