/* The least that a durable queue on SQLite costs: the same table, indexes and pragmas as Stint's (src/Stint/Deliveries/Storage/Sqlite), rows inserted in a loop and nothing else.
   floor DATABASE SECONDS ROWS-A-COMMIT  prints rows a second. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static sqlite3 *db;

static void must(int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE) return;
    fprintf(stderr, "floor: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    double seconds = atof(argv[2]);
    int group = atoi(argv[3]);
    must(sqlite3_open(argv[1], &db));
    must(sqlite3_exec(db,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -1024; PRAGMA wal_autocheckpoint = 1000;"
        "CREATE TABLE entries(number INTEGER PRIMARY KEY, kind TEXT NOT NULL, lane TEXT NOT NULL, function TEXT NOT NULL, id TEXT NOT NULL, call TEXT NOT NULL,"
        " state INTEGER NOT NULL, accepted INTEGER NOT NULL, due INTEGER NOT NULL, owner TEXT, attempts INTEGER NOT NULL, failures INTEGER NOT NULL, keep INTEGER NOT NULL,"
        " status INTEGER, reason TEXT, ended INTEGER, head BLOB, body BLOB, file TEXT, length INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX entries_id ON entries(lane, id);"
        "CREATE INDEX entries_due ON entries(lane, due, number) WHERE state = 0;"
        "CREATE INDEX entries_order ON entries(lane, number) WHERE state = 0;"
        "CREATE INDEX entries_ended ON entries(state, ended) WHERE state <> 0;", 0, 0, 0));
    sqlite3_stmt *insert, *begin, *commit;
    must(sqlite3_prepare_v2(db, "INSERT INTO entries(kind, lane, function, id, call, state, accepted, due, attempts, failures, keep, head, body, length)"
        " VALUES('call', 'call:f', 'f', ?1, ?1, 0, 1, 1, 0, 0, 0, ?2, ?3, 12)", -1, &insert, 0));
    must(sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, 0));
    must(sqlite3_prepare_v2(db, "COMMIT", -1, &commit, 0));
    char head[250];
    memset(head, 'h', sizeof head);
    long rows = 0;
    double start = now(), end = start + seconds;
    while (now() < end) {
        must(sqlite3_step(begin));
        sqlite3_reset(begin);
        for (int i = 0; i < group; i++, rows++) {
            char id[64];
            /* As random as identities are: each goes to another place of its index. */
            snprintf(id, sizeof id, "%08lx-%04x-4000-8000-%012lx", (unsigned long)random(), (unsigned)(random() & 0xffff), rows);
            must(sqlite3_bind_text(insert, 1, id, 36, SQLITE_TRANSIENT));
            must(sqlite3_bind_blob(insert, 2, head, sizeof head, SQLITE_STATIC));
            must(sqlite3_bind_blob(insert, 3, "hello world!", 12, SQLITE_STATIC));
            must(sqlite3_step(insert));
            sqlite3_reset(insert);
        }
        must(sqlite3_step(commit));
        sqlite3_reset(commit);
    }
    printf("%.0f\n", rows / (now() - start));
    return 0;
}
