namespace Stint.Backends.Processes.Sandboxing;

/// <summary>
/// Hands out the host's user numbers for sandboxes when the daemon is root: each instance has one of its own while it lives, so that even outside of all namespaces no instance could touch another's
/// processes or files. The range lies above those of subuid(5), systemd-nspawn and DynamicUser=, and belongs to nobody.
/// </summary>
internal sealed class SandboxUsers
{
    /// <summary>The first number.</summary>
    public const int First = 2_000_000_000;

    /// <summary>How many there are.</summary>
    public const int Count = 65_536;

    private readonly Lock _lock = new();
    private readonly HashSet<int> _taken = [];
    private int _next = First;

    /// <summary>A number that no living sandbox has. Numbers come round in turn, so that one is not reused at once.</summary>
    public int Take()
    {
        lock (_lock)
        {
            if (_taken.Count == Count) throw new InvalidOperationException($"all {Count} sandbox users are taken");
            do
            {
                _next = _next == First + Count - 1 ? First : _next + 1;
            }
            while (!_taken.Add(_next));
            return _next;
        }
    }

    /// <summary>Gives a number back.</summary>
    public void Return(int user)
    {
        lock (_lock) _taken.Remove(user);
    }
}
