namespace Stint.Backends.Processes.Sandboxing;

/// <summary>
/// Hands out the host's user numbers for sandboxes when the daemon is root: each instance has one of its own while it lives, so that even outside of all namespaces no instance could touch another's
/// processes or files. The range lies above those of subuid(5), systemd-nspawn and DynamicUser=, and belongs to nobody.
/// </summary>
/// <param name="daemon">What tells this daemon from others on the host: daemons take their numbers from different stretches of the range, as far as its 2,000 stretches go.</param>
internal sealed class SandboxUsers(string daemon)
{
    /// <summary>The first number of all daemons.</summary>
    public const int First = 2_000_000_000;

    /// <summary>The first number that belongs to no daemon any more; below 2^31, which some programs take for the end.</summary>
    public const int End = First + Stretches * Count;

    /// <summary>Numbers of one daemon.</summary>
    public const int Count = 65_536;

    private const int Stretches = 2000;

    private readonly Lock _lock = new();
    private readonly HashSet<int> _taken = [];
    private readonly int _first = First + (int)(BitConverter.ToUInt32(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(daemon))) % Stretches) * Count;
    private int _offset;

    /// <summary>A number that no living sandbox has. Numbers come round in turn, so that one is not reused at once.</summary>
    public int Take()
    {
        lock (_lock)
        {
            if (_taken.Count == Count) throw new InvalidOperationException($"all {Count} sandbox users are taken");
            do
            {
                _offset = (_offset + 1) % Count;
            }
            while (!_taken.Add(_first + _offset));
            return _first + _offset;
        }
    }

    /// <summary>Gives a number back.</summary>
    public void Return(int user)
    {
        lock (_lock) _taken.Remove(user);
    }
}
