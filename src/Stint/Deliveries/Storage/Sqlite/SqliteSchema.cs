namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>The tables, and the way from each earlier version of them: the file's <c>user_version</c> says which it has.</summary>
internal static class SqliteSchema
{
    /// <summary>Version n leads from n to n + 1; what has been released is never changed.</summary>
    private static readonly string[] Steps =
    [
        // state: 0 to be done, 1 dead letter, 2 done and remembered. due: also the end of a lease, so that claiming is finding what is due and moving it on.
        """
        CREATE TABLE entries(
            number INTEGER PRIMARY KEY, kind TEXT NOT NULL, lane TEXT NOT NULL, function TEXT NOT NULL, id TEXT NOT NULL, call TEXT NOT NULL,
            state INTEGER NOT NULL, accepted INTEGER NOT NULL, due INTEGER NOT NULL, owner TEXT, attempts INTEGER NOT NULL, failures INTEGER NOT NULL, keep INTEGER NOT NULL,
            status INTEGER, reason TEXT, ended INTEGER, head BLOB, body BLOB, file TEXT, length INTEGER NOT NULL);
        CREATE UNIQUE INDEX entries_id ON entries(lane, id);
        CREATE INDEX entries_due ON entries(lane, due, number) WHERE state = 0;
        CREATE INDEX entries_order ON entries(lane, number) WHERE state = 0;
        CREATE INDEX entries_ended ON entries(state, ended) WHERE state <> 0;
        """,
    ];

    /// <summary>Brings a file to this version.</summary>
    /// <exception cref="StoreException">A later version of the program has written it.</exception>
    /// <exception cref="SqliteException">It is damaged, or the disk is.</exception>
    public static void Migrate(SqliteDatabase database, string path)
    {
        var version = (int)database.ReadNumber("PRAGMA user_version");
        if (version > Steps.Length)
            throw new StoreException($"{path} is of a later version of Stint ({version}; this one knows {Steps.Length}): go back to that version, or move the file away, with the calls that are in it");
        for (; version < Steps.Length; version++)
        {
            database.Execute("BEGIN IMMEDIATE");
            database.Execute(Steps[version]);
            database.Execute($"PRAGMA user_version = {version + 1}");
            database.Execute("COMMIT");
        }
    }
}
