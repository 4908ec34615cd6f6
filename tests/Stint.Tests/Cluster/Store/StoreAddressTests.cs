using Npgsql;
using Stint.Cluster.Store;

namespace Stint.Tests.Cluster.Store;

public sealed class StoreAddressTests
{
    [Theory]
    [InlineData("postgres://ann@db/stint", "db", 5432, "ann", "stint", "postgres://ann@db:5432/stint")]
    [InlineData("postgresql://ann:s%40y@db:6000/stint", "db", 6000, "ann", "stint", "postgres://ann@db:6000/stint")]
    [InlineData("postgres://ann@[2001:db8::1]:6000/stint", "2001:db8::1", 6000, "ann", "stint", "postgres://ann@[2001:db8::1]:6000/stint")]
    [InlineData("postgres:///stint?host=/run/postgresql&user=ann&port=5433", "/run/postgresql", 5433, "ann", "stint", "postgres://ann@/run/postgresql:5433/stint")]
    public void An_address_in_the_notation_of_libpq_is_understood(string text, string host, int port, string user, string database, string shown)
    {
        var address = StoreAddress.Parse(text);
        var read = new NpgsqlConnectionStringBuilder(address.ConnectionString);
        Assert.Equal((host, port, user, database, shown), (read.Host, read.Port, read.Username, read.Database, address.Shown));
    }

    [Fact]
    public void The_password_goes_to_the_server_and_nowhere_else()
    {
        var address = StoreAddress.Parse("postgres://ann:s%40y@db/stint?sslmode=verify-full");
        Assert.Equal("s@y", new NpgsqlConnectionStringBuilder(address.ConnectionString).Password);
        Assert.Equal(SslMode.VerifyFull, new NpgsqlConnectionStringBuilder(address.ConnectionString).SslMode);
        Assert.DoesNotContain("s@y", $"{address}", StringComparison.Ordinal);
        Assert.DoesNotContain("s%40y", $"{address}", StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_in_a_name_cannot_become_a_setting()
    {
        var read = new NpgsqlConnectionStringBuilder(StoreAddress.Parse("postgres://a%3BHost%3Devil@db/d%3BPort%3D1?passfile=x%3BHost%3Devil").ConnectionString);
        Assert.Equal(("db", 5432, "a;Host=evil", "d;Port=1"), (read.Host, read.Port, read.Username, read.Database));
    }

    [Theory]
    [InlineData("", "must look like")]
    [InlineData("db.example/stint", "must look like")]
    [InlineData("mysql://ann:hush@db/stint", "must look like")]
    [InlineData("postgres://ann:hush@db", "names no database")]
    [InlineData("postgres://:hush@db/stint", "names no user")]
    [InlineData("postgres://ann:hush@db/stint?sslmode=maybe", "sslmode")]
    [InlineData("postgres://ann:hush@db/stint?port=99999", "1 to 65535")]
    [InlineData("postgres://ann:hush@db/stint?pooling=off", "unknown setting \"pooling\"")]
    public void Anything_else_is_refused_with_a_reason_and_without_the_password(string text, string reason)
    {
        var refusal = Assert.Throws<FormatException>(() => StoreAddress.Parse(text));
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", refusal.Message, StringComparison.Ordinal);
    }
}
