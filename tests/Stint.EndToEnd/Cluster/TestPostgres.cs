// A real PostgreSQL of the tests' own: its files in a folder under /tmp, its socket there too, a free TCP port of the loopback. Each test takes a database of its own. Write a class that needs it as
//
//   [Collection(TestPostgres.Collection)]
//   public sealed class MyTests(TestPostgres postgres) { … }
//
// Its tests run one after another, and may stop and start the server as long as they leave it running.
using System.Diagnostics;
using System.Net;
using Npgsql;
using Stint.Backends.Processes.Spawning;
using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;
using Stint.Network;

namespace Stint.EndToEnd.Cluster;

/// <summary>All classes of the collection share one server and run one after another.</summary>
[CollectionDefinition(TestPostgres.Collection)]
public sealed class TestPostgresCollection : ICollectionFixture<TestPostgres>;

/// <summary>A PostgreSQL server for tests.</summary>
public sealed class TestPostgres : IAsyncLifetime, IDisposable
{
    /// <summary>The name of the collection.</summary>
    public const string Collection = "postgres";

    private readonly List<string> _log = [];
    private readonly int _port = FreePorts.Take();
    private readonly NetworkNamespace? _space;
    private readonly string _listen = "127.0.0.1";
    private string? _folder;
    private Process? _process;
    private int _databases;

    /// <summary>A server of this machine.</summary>
    public TestPostgres()
    {
    }

    /// <summary>A server in a network of its own; over its Unix socket it is reached from here all the same.</summary>
    /// <param name="space">The network namespace.</param>
    /// <param name="address">Its address there, where it listens besides the loopback.</param>
    internal TestPostgres(NetworkNamespace space, IPAddress address) => (_space, _listen) = (space, $"127.0.0.1,{address}");

    private string Folder => _folder ?? throw new InvalidOperationException("not started");

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _folder = Directory.CreateTempSubdirectory("stint-pg-").FullName;
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        if (Environment.IsPrivilegedProcess) (await Programs.RunAsync(["chown", "postgres:", _folder], "/")).Good();
        (await Programs.RunAsync([.. AsPostgres("initdb"), "--pgdata", Path.Combine(_folder, "data"), "--auth", "trust", "--username", "stint", "--encoding", "UTF8", "--locale", "C", "--no-sync"], "/")).Good();
        if (_space is not null) await File.AppendAllTextAsync(Path.Combine(_folder, "data", "pg_hba.conf"), "host all all samenet trust\n");
        await StartAsync();
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (_process is not null) await StopAsync();
        if (_folder is not null) Directory.Delete(_folder, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _process?.Dispose();

    /// <summary>Makes an empty database; its address, over the Unix socket.</summary>
    internal async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await using var source = new NpgsqlSlimDataSourceBuilder($"Host={Folder};Port={_port};Username=stint;Database=postgres;Pooling=false").Build();
        await using var command = source.CreateCommand($"create database {name}");
        await command.ExecuteNonQueryAsync();
        return $"postgres:///{name}?user=stint&host={Folder}&port={_port}";
    }

    /// <summary>A store in a database of its own.</summary>
    internal async Task<ClusterStore> OpenStoreAsync()
    {
        var store = new ClusterStore(StoreAddress.Parse(await CreateDatabaseAsync()));
        await store.PrepareAsync(default);
        return store;
    }

    /// <summary>Its port, on the loopback.</summary>
    internal int Port => _port;

    /// <summary>The address of a database that was made over the socket, over TCP and another port: a relay's.</summary>
    internal string OverTcp(string address, int? port = null) => OverTcp(address, IPAddress.Loopback, port);

    /// <summary>The same, of a server that listens elsewhere.</summary>
    internal string OverTcp(string address, IPAddress host, int? port = null) => $"postgres://stint@{host}:{port ?? _port}{new Uri(address).AbsolutePath}";

    /// <summary>Starts the server again and returns when it answers.</summary>
    internal async Task StartAsync()
    {
        var start = Programs.Prepare([.. _space is null ? [] : NamespaceRelay.Enter(_space), .. AsPostgres("postgres"), "-D", Path.Combine(Folder, "data"), "-k", Folder, "-p", $"{_port}", "-c", $"listen_addresses={_listen}", "-c", "fsync=off", "-c", "max_connections=200", "-c", "log_min_messages=fatal"], "/");
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await Retry.UntilAsync("PostgreSQL answers", async () =>
        {
            if (_process.HasExited) throw new InvalidOperationException($"postgres ended with {_process.ExitCode}:\n{Log}");
            return (await Programs.RunAsync([Program("pg_isready"), "--host", Folder, "--port", $"{_port}"], "/")).Code == 0;
        });
    }

    /// <summary>Ends the server: connections are cut, what was committed stays.</summary>
    internal async Task StopAsync()
    {
        // SIGINT: fast shutdown. setpriv has become the server, so it is the process that was started.
        Posix.Check(Posix.kill(_process!.Id, Posix.SigInt), "kill");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(limit.Token);
        _process.Dispose();
        _process = null;
    }

    /// <summary>What the server has said so far.</summary>
    internal string Log
    {
        get { lock (_log) return string.Join('\n', _log); }
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (_log) _log.Add(line);
    }

    // PostgreSQL refuses to run as root.
    private static string[] AsPostgres(string program) =>
        Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", Program(program)] : [Program(program)];

    private static string Program(string name) =>
        Directory.Exists("/usr/lib/postgresql")
        && Directory.EnumerateDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin", name)).Where(File.Exists).Max(StringComparer.Ordinal) is { } path
            ? path
            : throw new InvalidOperationException("the tests of clusters start a PostgreSQL of their own: sudo apt-get install postgresql");
}
