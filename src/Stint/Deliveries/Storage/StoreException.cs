namespace Stint.Deliveries.Storage;

/// <summary>The store could not do it; the message says what and why, for people.</summary>
/// <param name="isFull">There is no room on the disk.</param>
internal sealed class StoreException(string message, bool isFull = false, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>There is no room on the disk: it may work later.</summary>
    public bool IsFull { get; } = isFull;
}
