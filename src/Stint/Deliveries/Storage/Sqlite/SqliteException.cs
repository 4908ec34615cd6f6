namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>SQLite said no.</summary>
/// <param name="code">The extended result code.</param>
/// <param name="message">SQLite's own words.</param>
internal sealed class SqliteException(int code, string message) : Exception(message)
{
    /// <summary>The primary result code.</summary>
    public int Code { get; } = code & 0xff;

    /// <summary>The disk, or what we may use of it, is full.</summary>
    public bool IsFull => Code == SqliteLibrary.Full;

    /// <summary>The file is damaged, or none of SQLite's.</summary>
    public bool IsCorrupt => Code is SqliteLibrary.Corrupt or SqliteLibrary.NotADatabase;
}
