using System.Globalization;
using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>
/// Where the store is, in the notation of libpq (PostgreSQL 34.1.1.2): <c>postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full</c>, or with <c>?host=/run/postgresql</c> for a Unix socket.
/// The password may also come from <c>PGPASSWORD</c> or <c>~/.pgpass</c>, where no process list shows it.
/// </summary>
internal sealed class StoreAddress
{
    // What a caller waits before it is told that the store is away.
    private const int ConnectSeconds = 5;
    private const int CommandSeconds = 30;

    // A gateway that freezes inside a transaction holds the row that all changes go through: the server ends it. lock_timeout keeps the others from waiting in silence.
    private const string ServerSettings = "-c idle_in_transaction_session_timeout=15000 -c lock_timeout=20000 -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

    private StoreAddress(string connectionString, string shown) => (ConnectionString, Shown) = (connectionString, shown);

    /// <summary>For Npgsql. Holds the password.</summary>
    public string ConnectionString { get; }

    /// <summary>For people: no password.</summary>
    public string Shown { get; }

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException">It is none; the message says what is wrong and repeats no password.</exception>
    public static StoreAddress Parse(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("postgres" or "postgresql"))
            throw new FormatException("the store's address must look like postgres://USER@HOST/DATABASE");
        var user = uri.UserInfo.Split(':', 2);
        var result = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host.Length > 0 ? uri.Host.Trim('[', ']') : "localhost",
            Port = uri.Port > 0 ? uri.Port : NpgsqlConnection.DefaultPort,
            Database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')),
            ApplicationName = "stint",
            Timeout = ConnectSeconds,
            CommandTimeout = CommandSeconds,
            MaxPoolSize = 20,
            Options = ServerSettings,
        };
        if (user[0].Length > 0) result.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length == 2) result.Password = Uri.UnescapeDataString(user[1]);
        foreach (var part in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = part.Split('=', 2);
            Apply(result, pair[0], pair.Length == 2 ? Uri.UnescapeDataString(pair[1]) : "");
        }
        if (result.Database is not { Length: > 0 }) throw new FormatException("the store's address names no database; write postgres://USER@HOST/DATABASE");
        if (result.Username is not { Length: > 0 }) throw new FormatException("the store's address names no user; write postgres://USER@HOST/DATABASE");
        var place = result.Host!.StartsWith('/') ? $"{result.Host}:{result.Port}" : result.Host.Contains(':', StringComparison.Ordinal) ? $"[{result.Host}]:{result.Port}" : $"{result.Host}:{result.Port}";
        return new StoreAddress(result.ConnectionString, $"postgres://{result.Username}@{place}/{result.Database}");
    }

    /// <inheritdoc/>
    public override string ToString() => Shown;

    private static void Apply(NpgsqlConnectionStringBuilder to, string name, string value)
    {
        switch (name)
        {
            case "host": to.Host = value; break;
            case "port" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536: to.Port = port; break;
            case "port": throw new FormatException("port in the store's address must be a number from 1 to 65535");
            case "user": to.Username = value; break;
            case "password": to.Password = value; break;
            case "passfile": to.Passfile = value; break;
            case "sslrootcert": to.RootCertificate = value; break;
            case "sslcert": to.SslCertificate = value; break;
            case "sslkey": to.SslKey = value; break;
            case "sslmode": to.SslMode = Mode(value); break;
            default: throw new FormatException($"the store's address has an unknown setting \"{name}\"; there are host, port, user, password, passfile, sslmode, sslrootcert, sslcert and sslkey");
        }
    }

    private static SslMode Mode(string value) => value switch
    {
        "disable" => SslMode.Disable,
        "allow" => SslMode.Allow,
        "prefer" => SslMode.Prefer,
        "require" => SslMode.Require,
        "verify-ca" => SslMode.VerifyCA,
        "verify-full" => SslMode.VerifyFull,
        _ => throw new FormatException($"sslmode in the store's address must be disable, allow, prefer, require, verify-ca or verify-full, not \"{value}\""),
    };
}
