using System.Globalization;
using Stint.Scheduling;

namespace Stint.ClusterSim;

/// <summary>What one gateway believes of the workers: their last reports, and what it has sent and got back itself since.</summary>
internal sealed class View
{
    private static readonly List<int> None = [];

    private readonly WorkerSnapshot[] _workers;
    private readonly Dictionary<int, List<int>> _warm = [];        // function → workers, each once
    private readonly Dictionary<(int Node, int Function), int> _free = [];
    private readonly HashSet<int>[] _functions;                    // worker → functions that have a free instance there
    private readonly HashSet<int> _touched = [];                   // workers that something was sent to since the last reports
    private readonly long[] _reported;

    /// <summary>Nothing is known but that they are there.</summary>
    public View(Setting setting)
    {
        _workers = [.. Enumerable.Range(0, setting.Nodes).Select(i => new WorkerSnapshot(i.ToString(CultureInfo.InvariantCulture)) { Memory = new WorkerMemory(setting.Memory, setting.Memory), Cores = setting.Cores })];
        _functions = [.. _workers.Select(static _ => new HashSet<int>())];
        _reported = new long[_workers.Length];
    }

    /// <summary>The workers.</summary>
    public IReadOnlyList<WorkerSnapshot> Workers => _workers;

    /// <summary>The places of those that have a free instance of a function.</summary>
    public IReadOnlyList<int> Warm(int function) => _warm.GetValueOrDefault(function, None);

    /// <summary>A worker's place by its name.</summary>
    public static int Place(string name) => int.Parse(name, CultureInfo.InvariantCulture);

    /// <summary>A call was sent and taken.</summary>
    public void Placed(int node, int function, int size, bool warm)
    {
        _touched.Add(node);
        var worker = _workers[node];
        _workers[node] = worker with { Running = worker.Running + 1, Memory = warm ? worker.Memory : worker.Memory!.Value with { Available = worker.Memory.Value.Available - size } };
        if (warm) Set(node, function, _free.GetValueOrDefault((node, function)) - 1);
    }

    /// <summary>Its answer came.</summary>
    public void Ended(int node, int function)
    {
        _workers[node] = _workers[node] with { Running = Math.Max(0, _workers[node].Running - 1) };
        Set(node, function, _free.GetValueOrDefault((node, function)) + 1);
    }

    /// <summary>A worker had no room.</summary>
    public void Full(int node)
    {
        _touched.Add(node);
        _workers[node] = _workers[node] with { Memory = _workers[node].Memory!.Value with { Available = 0 } };
    }

    /// <summary>The workers' reports. What idle instances hold counts as available: it is given up when it is needed.</summary>
    public void Refresh(Node[] nodes)
    {
        for (var i = 0; i < nodes.Length; i++)
        {
            // What has not changed on either side says what is known already.
            if (_reported[i] == nodes[i].Version && !_touched.Contains(i)) continue;
            _reported[i] = nodes[i].Version;
            _workers[i] = _workers[i] with { Running = nodes[i].Running, Memory = _workers[i].Memory!.Value with { Available = nodes[i].Free + nodes[i].Idle } };
            foreach (var function in _functions[i].ToArray()) Set(i, function, nodes[i].Warm(function));
            foreach (var function in nodes[i].WarmFunctions) Set(i, function, nodes[i].Warm(function));
        }
        _touched.Clear();
    }

    private void Set(int node, int function, int free)
    {
        _touched.Add(node);
        var had = _free.GetValueOrDefault((node, function)) > 0;
        if (free > 0) _free[(node, function)] = free;
        else _free.Remove((node, function));
        if (had == free > 0) return;
        if (!_warm.TryGetValue(function, out var nodes)) _warm[function] = nodes = [];
        if (free > 0)
        {
            nodes.Add(node);
            _functions[node].Add(function);
        }
        else
        {
            nodes.Remove(node);
            _functions[node].Remove(function);
        }
    }
}
