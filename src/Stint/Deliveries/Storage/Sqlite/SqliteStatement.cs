using System.Text;
using static Stint.Deliveries.Storage.Sqlite.SqliteLibrary;

namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>A prepared statement: bind (from 1), step, read (from 0), reset.</summary>
internal sealed unsafe class SqliteStatement : IDisposable
{
    private const int Null = 5; // SQLITE_NULL
    private readonly SqliteDatabase _database;
    private nint _handle;

    internal SqliteStatement(SqliteDatabase database, nint handle) => (_database, _handle) = (database, handle);

    /// <summary>Makes it ready for other values.</summary>
    public SqliteStatement Reset()
    {
        _ = sqlite3_reset(_handle); // repeats the error of the last step, which has been thrown
        _ = sqlite3_clear_bindings(_handle);
        return this;
    }

    /// <summary>Binds a number.</summary>
    public SqliteStatement Bind(int index, long value) => Check(sqlite3_bind_int64(_handle, index, value));

    /// <summary>Binds a number or NULL.</summary>
    public SqliteStatement Bind(int index, long? value) => value is { } number ? Bind(index, number) : this;

    /// <summary>Binds a text or NULL.</summary>
    public SqliteStatement Bind(int index, string? value)
    {
        if (value is null) return this;
        var count = Encoding.UTF8.GetByteCount(value);
        var bytes = count <= 512 ? stackalloc byte[count + 1] : new byte[count + 1];
        Encoding.UTF8.GetBytes(value, bytes);
        fixed (byte* text = bytes) return Check(sqlite3_bind_text(_handle, index, text, count, Transient));
    }

    /// <summary>Binds bytes; none at all are an empty blob.</summary>
    public SqliteStatement Bind(int index, ReadOnlySpan<byte> value)
    {
        byte nothing = 0; // a null pointer would be NULL
        fixed (byte* blob = value) return Check(sqlite3_bind_blob(_handle, index, blob == null ? &nothing : blob, value.Length, Transient));
    }

    /// <summary>To the next row; false when there is none, and the statement is done.</summary>
    /// <exception cref="SqliteException">It failed.</exception>
    public bool Step() => sqlite3_step(_handle) switch
    {
        Row => true,
        Done => false,
        _ => throw FailureAfterReset(),
    };

    /// <summary>Runs a statement that gives no rows, and makes it ready again.</summary>
    /// <exception cref="SqliteException">It failed.</exception>
    public void Run()
    {
        Step();
        Reset();
    }

    /// <summary>Whether a column is NULL.</summary>
    public bool IsNull(int column) => sqlite3_column_type(_handle, column) == Null;

    /// <summary>A column as a number; NULL is 0.</summary>
    public long Int64(int column) => sqlite3_column_int64(_handle, column);

    /// <summary>A column as a number that may be NULL.</summary>
    public long? Int64OrNull(int column) => IsNull(column) ? null : Int64(column);

    /// <summary>A column as a text that is not NULL.</summary>
    public string Text(int column) => TextOrNull(column) ?? "";

    /// <summary>A column as a text.</summary>
    public string? TextOrNull(int column)
    {
        var text = sqlite3_column_text(_handle, column); // before its length, which depends on the conversion
        return text == null ? null : Encoding.UTF8.GetString(text, sqlite3_column_bytes(_handle, column));
    }

    /// <summary>A column as bytes, copied; NULL is empty.</summary>
    public byte[] Blob(int column)
    {
        var blob = sqlite3_column_blob(_handle, column);
        return blob == null ? [] : new ReadOnlySpan<byte>(blob, sqlite3_column_bytes(_handle, column)).ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle != 0) _ = sqlite3_finalize(_handle);
        _handle = 0;
    }

    private SqliteStatement Check(int code) => code == Ok ? this : throw FailureAfterReset();

    private SqliteException FailureAfterReset()
    {
        var failure = _database.Failure();
        Reset();
        return failure;
    }
}
