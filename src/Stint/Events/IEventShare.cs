namespace Stint.Events;

/// <summary>Which events this daemon attends to where several know of the same: each has one daemon at a time. Without a share all are this daemon's.</summary>
internal interface IEventShare
{
    /// <summary>All daemons together, as brokers know them: the one that takes over finds the session of the one before.</summary>
    string Identity { get; }

    /// <summary>Told when what is this daemon's may have changed.</summary>
    Action Changed { get; set; }

    /// <summary>Begins to take part.</summary>
    void Begin();

    /// <summary>Whether an event is this daemon's at this moment.</summary>
    /// <param name="trigger">Its name, the same at all daemons.</param>
    bool IsMine(string trigger);

    /// <summary>A schedule is this daemon's now: until when it has been dealt with by whoever had it before.</summary>
    /// <param name="key">The schedule.</param>
    /// <param name="function">Whose it is.</param>
    /// <param name="first">What counts when nobody had it before.</param>
    /// <exception cref="IOException">It cannot be known now.</exception>
    Task<DateTimeOffset> BeginAsync(string key, string function, DateTimeOffset first);

    /// <summary>Notes that a schedule has been dealt with.</summary>
    /// <param name="key">The schedule.</param>
    /// <param name="until">Until when.</param>
    /// <param name="isCorrection">An earlier moment counts too.</param>
    /// <exception cref="IOException">It cannot be noted now.</exception>
    Task DoneAsync(string key, DateTimeOffset until, bool isCorrection);

    /// <summary>Forgets a schedule that is not deployed any more. Never throws.</summary>
    Task ForgetAsync(string key);
}
