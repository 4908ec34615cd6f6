// The system's SQLite, called directly: docs/decisions/0017-durable-calls.md says why there is no package in between.
using System.Runtime.InteropServices;

namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>The functions of <c>libsqlite3.so.0</c> that we call (https://www.sqlite.org/c3ref/funclist.html). The name is the same on every distribution.</summary>
internal static unsafe partial class SqliteLibrary
{
    private const string Name = "libsqlite3.so.0";

    /// <summary>Result codes (https://www.sqlite.org/rescode.html).</summary>
    public const int Ok = 0, Corrupt = 11, Full = 13, NotADatabase = 26, Row = 100, Done = 101;

    /// <summary>Flags for opening: read and write, create, and no mutex of SQLite's own, because each connection is used by one thread at a time.</summary>
    public const int OpenReadOnly = 1, OpenReadWrite = 2, OpenCreate = 4, OpenNoMutex = 0x8000;

    /// <summary>The statement will be used again and again.</summary>
    public const uint PreparePersistent = 1;

    /// <summary>SQLite copies what is bound.</summary>
    public static readonly nint Transient = -1;

    /// <summary>Why the library cannot be used; null when it can.</summary>
    public static string? Problem { get; } = Load();

    /// <summary>The library's version. Only when there is no problem.</summary>
    public static string Version => VersionText(sqlite3_libversion_number());

    private static string VersionText(int version) => $"{version / 1_000_000}.{version / 1000 % 1000}.{version % 1000}";

    private static string? Load()
    {
        // 3.37 (2021) is the oldest that current distributions have; older ones were never tried.
        const int oldest = 3_037_000;
        if (!NativeLibrary.TryLoad(Name, out _)) return $"SQLite's library {Name} is not installed";
        var version = sqlite3_libversion_number();
        return version >= oldest ? null : $"SQLite's library {Name} is version {VersionText(version)}; 3.37 or later is needed";
    }

    [LibraryImport(Name)]
    private static partial int sqlite3_libversion_number();

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int sqlite3_open_v2(string file, out nint connection, int flags, nint vfs);

    [LibraryImport(Name)]
    public static partial int sqlite3_close_v2(nint connection);

    [LibraryImport(Name)]
    public static partial int sqlite3_extended_errcode(nint connection);

    [LibraryImport(Name)]
    public static partial byte* sqlite3_errmsg(nint connection);

    [LibraryImport(Name)]
    public static partial int sqlite3_busy_timeout(nint connection, int milliseconds);

    [LibraryImport(Name)]
    public static partial int sqlite3_changes(nint connection);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int sqlite3_exec(nint connection, string sql, nint callback, nint argument, nint error);

    [LibraryImport(Name)]
    public static partial int sqlite3_prepare_v3(nint connection, byte* sql, int bytes, uint flags, out nint statement, nint tail);

    [LibraryImport(Name)]
    public static partial int sqlite3_step(nint statement);

    [LibraryImport(Name)]
    public static partial int sqlite3_reset(nint statement);

    [LibraryImport(Name)]
    public static partial int sqlite3_clear_bindings(nint statement);

    [LibraryImport(Name)]
    public static partial int sqlite3_finalize(nint statement);

    [LibraryImport(Name)]
    public static partial int sqlite3_bind_int64(nint statement, int index, long value);

    [LibraryImport(Name)]
    public static partial int sqlite3_bind_text(nint statement, int index, byte* text, int bytes, nint destructor);

    [LibraryImport(Name)]
    public static partial int sqlite3_bind_blob(nint statement, int index, byte* blob, int bytes, nint destructor);

    [LibraryImport(Name)]
    public static partial int sqlite3_column_type(nint statement, int column);

    [LibraryImport(Name)]
    public static partial long sqlite3_column_int64(nint statement, int column);

    [LibraryImport(Name)]
    public static partial byte* sqlite3_column_text(nint statement, int column);

    [LibraryImport(Name)]
    public static partial byte* sqlite3_column_blob(nint statement, int column);

    [LibraryImport(Name)]
    public static partial int sqlite3_column_bytes(nint statement, int column);
}
