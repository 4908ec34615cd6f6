namespace Stint.Files;

/// <summary>A part of the daemon that keeps small texts by name, in a folder of its own: what it keeps can be had, and can become something else as a whole.</summary>
internal interface ISharedPart
{
    /// <summary>All that is kept, by name.</summary>
    IReadOnlyDictionary<string, byte[]> Export();

    /// <summary>From now on this is kept, on disk too.</summary>
    /// <exception cref="IOException">The disk is full, or a text is none.</exception>
    void Adopt(IReadOnlyDictionary<string, byte[]> texts);
}

/// <summary>Keeps parts of several daemons the same.</summary>
internal interface ISharedTexts
{
    /// <summary>Makes a part known, at the daemon's start.</summary>
    void Share(string kind, ISharedPart part);

    /// <summary>Changes a part for all daemons: the part becomes what all have, is changed, and what came of it is what all have. Or nothing is changed, nowhere.</summary>
    /// <param name="kind">Which part.</param>
    /// <param name="change">Changes the part.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<T> ChangeAsync<T>(string kind, Func<T> change, CancellationToken cancellationToken);
}

/// <summary>Changes a part, whether or not it is shared.</summary>
internal static class SharedParts
{
    /// <summary>As <see cref="ISharedTexts.ChangeAsync"/>; here and at once when nothing is shared.</summary>
    public static Task<T> UpdateAsync<T>(this ISharedTexts? shared, string kind, Func<T> change, CancellationToken cancellationToken)
    {
        if (shared is not null) return shared.ChangeAsync(kind, change, cancellationToken);
        try
        {
            return Task.FromResult(change());
        }
        catch (Exception failure)
        {
            return Task.FromException<T>(failure);
        }
    }
}
