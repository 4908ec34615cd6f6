namespace Stint.Backends.Processes.Limits;

/// <summary>
/// The host's control groups, version 2 or 1, as far as we need them: a group for each instance under one of the daemon's own, whose name says whose it is.
/// </summary>
internal interface IControlGroups : IDisposable
{
    /// <summary>One line for <c>stint doctor</c>, the log and the metrics: which version, where.</summary>
    string Description { get; }

    /// <summary>Makes a group and sets its limits.</summary>
    /// <exception cref="IOException">The kernel refused; the message names the file.</exception>
    IControlGroup Create(string name, InstanceLimits limits);
}

/// <summary>The group of one instance.</summary>
internal interface IControlGroup
{
    /// <summary>The files to which a process writes its own number to join.</summary>
    IReadOnlyList<string> JoinFiles { get; }

    /// <summary>Changes the limits of what already runs in it.</summary>
    /// <exception cref="IOException">The kernel refused; the message names the file.</exception>
    void SetLimits(InstanceLimits limits);

    /// <summary>Memory and processor time of everything in the group.</summary>
    InstanceUsage ReadUsage();

    /// <summary>Whether the kernel killed something in it for want of memory.</summary>
    bool RanOutOfMemory();

    /// <summary>Whether processes are left in it.</summary>
    bool IsPopulated();

    /// <summary>Kills everything in it (SIGKILL).</summary>
    void Kill();

    /// <summary>Removes it; false when something still lives in it.</summary>
    bool TryRemove();
}
