using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deployed;

/// <summary>
/// Stand in for images of others where there is no registry: this host's own programs, with what of those images' behaviour a Compose file relies on (variables, folders, ports, where settings are). All of them have one
/// layer in common, which is made once.
/// </summary>
internal static class StandInImages
{
    private const string Layer = "stint-test/stand-ins:1";

    private const string Postgres = """
        #!/bin/sh
        set -eu
        data=/var/lib/postgresql/data
        as="setpriv --reuid=65534 --regid=65534 --clear-groups --"
        install -d -o 65534 -g 65534 -m 700 "$data"
        if [ ! -s "$data/PG_VERSION" ]; then
            $as initdb --pgdata "$data" --auth trust --username "$POSTGRES_USER" --encoding UTF8 --locale C --no-sync
            echo "host all all all $POSTGRES_HOST_AUTH_METHOD" >>"$data/pg_hba.conf"
            echo "create database $POSTGRES_DB;" | $as postgres --single -D "$data" postgres
        fi
        exec $as postgres -D "$data" -k /tmp -c listen_addresses='*'

        """;

    // What speaks CouchDB's API wherever these tests need it (Events/PouchDbServer.cs).
    private const string CouchDb = """
        #!/bin/sh
        set -eu
        cd /tmp
        printf '{"admins":{"%s":"%s"}}' "$COUCHDB_USER" "$COUCHDB_PASSWORD" >config.json
        # As the first process of a container it would not hear SIGTERM, and each stop take its whole limit.
        node /opt/couchdb/node_modules/pouchdb-server/bin/pouchdb-server --port 5984 --host 0.0.0.0 --dir /opt/couchdb/data --config config.json --no-stdout-logs &
        trap "kill $!" TERM
        wait

        """;

    // By the file's name of the image: what runs, as a line of a Dockerfile has it.
    private static readonly (string Image, string Lines)[] Images =
    [
        ("postgres:17", "ENTRYPOINT [\"/entry/postgres\"]\nVOLUME /var/lib/postgresql/data\n"),
        ("prom/prometheus:v3.5.0", "ENTRYPOINT [\"/usr/bin/prometheus\"]\nCMD [\"--config.file=/etc/prometheus/prometheus.yml\", \"--storage.tsdb.path=/prometheus\"]\n"),
        ("eclipse-mosquitto:2", "ENTRYPOINT [\"/usr/bin/setpriv\", \"--reuid=65534\", \"--regid=65534\", \"--clear-groups\", \"--\"]\nCMD [\"/usr/sbin/mosquitto\", \"-c\", \"/mosquitto/config/mosquitto.conf\"]\n"),
        ("couchdb:3", "ENTRYPOINT [\"/entry/couchdb\"]\n"),
    ];

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => Images.Select(static image => image.Image).Append(Layer);

    /// <summary>Makes them all.</summary>
    public static async Task MakeAsync(EngineClient engine)
    {
        var scratch = Directory.CreateTempSubdirectory("stint-stand-ins-").FullName;
        try
        {
            var rootfs = await HostRootfs.GatherAsync([], rootfs => AddAsync(rootfs, scratch), scratch, default);
            var (repository, tag) = ImageName.Split(Layer);
            await using (var archive = TarStream.Open(rootfs, static _ => { }, default))
                await engine.Images.ImportAsync(archive, repository, tag, ["ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], default);
            foreach (var (image, lines) in Images)
                await engine.Images.BuildAsync(Dockerfile.Alone($"FROM {Layer}\n{lines}", default), new BuildSettings { Tags = [image] }, static _ => { }, default);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    private static async Task AddAsync(Rootfs rootfs, string scratch)
    {
        var version = Directory.GetDirectories("/usr/lib/postgresql").Max(StringComparer.Ordinal)!;
        rootfs.AddHostTree(version);
        rootfs.AddHostTree($"/usr/share/postgresql/{Path.GetFileName(version)}");
        foreach (var program in (string[])["postgres", "initdb", "pg_isready"]) rootfs.AddLink($"/usr/local/bin/{program}", Path.Combine(version, "bin", program));
        foreach (var program in (string[])["/usr/bin/setpriv", "/usr/bin/prometheus", "/usr/sbin/mosquitto", "/usr/bin/node"])
            if (!rootfs.AddHost(program)) throw new InvalidOperationException($"there is no {program}: the install-tools.sh of the tests install it");
        var couch = Path.Combine(Programs.Repository, "artifacts/events-tools/node_modules");
        if (!Directory.Exists(couch)) throw new InvalidOperationException($"there is no {couch}: bash tests/Stint.EndToEnd/Events/install-tools.sh");
        rootfs.AddTree("/opt/couchdb/node_modules", couch, ".bin");
        foreach (var (name, text) in ((string, string)[])[("postgres", Postgres), ("couchdb", CouchDb)])
        {
            var entry = Path.Combine(scratch, name);
            await File.WriteAllTextAsync(entry, text);
            File.SetUnixFileMode(entry, (UnixFileMode)0b111_101_101);
            rootfs.AddFile($"/entry/{name}", entry);
        }
    }
}
