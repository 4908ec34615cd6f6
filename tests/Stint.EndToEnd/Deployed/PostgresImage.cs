using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;

namespace Stint.EndToEnd.Deployed;

/// <summary>Stands in for the image <c>postgres</c> where there is no registry: this host's own PostgreSQL, with what of that image's behaviour a Compose file relies on (its variables, its folder, its port).</summary>
internal static class PostgresImage
{
    private const string Entry = """
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

    /// <summary>Makes it under that name.</summary>
    public static async Task MakeAsync(EngineClient engine, string name)
    {
        var version = Directory.GetDirectories("/usr/lib/postgresql").Max(StringComparer.Ordinal)!;
        var scratch = Directory.CreateTempSubdirectory("stint-pg-image-").FullName;
        try
        {
            var entry = Path.Combine(scratch, "entry");
            await File.WriteAllTextAsync(entry, Entry);
            File.SetUnixFileMode(entry, (UnixFileMode)0b111_101_101);
            var rootfs = await HostRootfs.GatherAsync([], rootfs =>
            {
                rootfs.AddHostTree(version);
                rootfs.AddHostTree($"/usr/share/postgresql/{Path.GetFileName(version)}");
                rootfs.AddHost("/usr/bin/setpriv");
                rootfs.AddFile("/entry", entry);
                foreach (var program in (string[])["postgres", "initdb", "pg_isready"]) rootfs.AddLink($"/usr/local/bin/{program}", Path.Combine(version, "bin", program));
                return Task.CompletedTask;
            }, scratch, default);
            var (repository, tag) = ImageName.Split(name);
            await using var archive = TarStream.Open(rootfs, static _ => { }, default);
            await engine.Images.ImportAsync(archive, repository, tag, ["ENTRYPOINT [\"/entry\"]", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "VOLUME /var/lib/postgresql/data"], default);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }
}
