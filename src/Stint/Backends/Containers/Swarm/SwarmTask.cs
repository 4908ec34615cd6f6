using System.Net;
using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers.Swarm;

/// <summary>A task of a service that runs: one replica, on one node, at one address. Swarm moves a replica by ending its task and starting another.</summary>
/// <param name="id">Swarm's id.</param>
/// <param name="endPoint">Where it serves.</param>
internal sealed class SwarmTask(string id, IPEndPoint endPoint)
{
    /// <summary>A node that is lost refuses nothing: the sooner a caller gives it up, the sooner the next one is given to another. Long enough for a first packet that was lost.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Swarm's id.</summary>
    public string Id { get; } = id;

    /// <summary>Where it serves.</summary>
    public IPEndPoint EndPoint { get; } = endPoint;

    /// <summary>Ends, never faulted, when it does not run any more, with the reason in one line.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Why it ended; null while it runs.</summary>
    public string? EndReason { get; private set; }

    /// <summary>Swarm has asked it to end. Guarded by its service's lock, as are the next and the reason.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Whether a start or an instance has it.</summary>
    public bool IsTaken { get; set; }

    /// <summary>It does not run any more.</summary>
    public void End(string reason)
    {
        EndReason ??= reason;
        _ended.TrySetResult(reason);
    }

    /// <summary>The part of an id that people are shown.</summary>
    public static string Short(string id) => id.Length > 12 ? id[..12] : id;

    /// <summary>What Swarm says of a task, in one line.</summary>
    public static string Words(TaskDetails task) => EngineText.Quote(
        task.Status.Err is { Length: > 0 } error ? error : $"it is {task.Status.State}{(task.Status.Message is { Length: > 0 } message && message != task.Status.State ? $" ({message})" : "")}");
}
