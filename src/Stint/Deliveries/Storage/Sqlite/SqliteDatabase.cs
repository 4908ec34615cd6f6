using System.Runtime.InteropServices;
using System.Text;
using static Stint.Deliveries.Storage.Sqlite.SqliteLibrary;

namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>A connection to a file. One thread at a time.</summary>
internal sealed unsafe class SqliteDatabase : IDisposable
{
    private readonly List<SqliteStatement> _statements = [];
    private nint _connection;

    /// <summary>Opens a file.</summary>
    /// <exception cref="SqliteException">It cannot be opened.</exception>
    public SqliteDatabase(string path, bool readOnly = false)
    {
        var code = sqlite3_open_v2(path, out _connection, (readOnly ? OpenReadOnly : OpenReadWrite | OpenCreate) | OpenNoMutex, 0);
        if (code != Ok)
        {
            var failure = _connection == 0 ? new SqliteException(code, "out of memory") : Failure();
            Dispose();
            throw failure;
        }
        // Between our own connections only, and for as long as a checkpoint takes.
        _ = sqlite3_busy_timeout(_connection, 5000);
    }

    /// <summary>Rows that the last statement changed.</summary>
    public int Changes => sqlite3_changes(_connection);

    /// <summary>Runs statements that give no rows.</summary>
    /// <exception cref="SqliteException">One failed.</exception>
    public void Execute(string sql)
    {
        if (sqlite3_exec(_connection, sql, 0, 0, 0) != Ok) throw Failure();
    }

    /// <summary>A statement for repeated use; disposed of with the connection.</summary>
    /// <exception cref="SqliteException">It is not right.</exception>
    public SqliteStatement Prepare(string sql)
    {
        var statement = PrepareOnce(sql);
        _statements.Add(statement);
        return statement;
    }

    /// <summary>A statement that the caller disposes of.</summary>
    /// <exception cref="SqliteException">It is not right.</exception>
    public SqliteStatement PrepareOnce(string sql)
    {
        var bytes = Encoding.UTF8.GetBytes(sql);
        fixed (byte* text = bytes)
            return sqlite3_prepare_v3(_connection, text, bytes.Length, PreparePersistent, out var handle, 0) == Ok ? new SqliteStatement(this, handle) : throw Failure();
    }

    /// <summary>The first column of the first row, as a number; 0 when there is none.</summary>
    /// <exception cref="SqliteException">It failed.</exception>
    public long ReadNumber(string sql)
    {
        using var statement = PrepareOnce(sql);
        return statement.Step() ? statement.Int64(0) : 0;
    }

    /// <summary>The first column of the first row, as a text.</summary>
    /// <exception cref="SqliteException">It failed.</exception>
    public string ReadText(string sql)
    {
        using var statement = PrepareOnce(sql);
        return statement.Step() ? statement.Text(0) : "";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var statement in _statements) statement.Dispose();
        _statements.Clear();
        if (_connection != 0) _ = sqlite3_close_v2(_connection);
        _connection = 0;
    }

    internal SqliteException Failure() => new(sqlite3_extended_errcode(_connection), Marshal.PtrToStringUTF8((nint)sqlite3_errmsg(_connection)) ?? "unknown error");
}
