using System.Net.Sockets;
using System.Text;
using Stint.Hosting;
using Stint.Tests.Time;

namespace Stint.Tests.Hosting;

/// <summary>What a service manager hears (sd_notify(3)), at a real socket.</summary>
public sealed class ServiceNoticesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-notify-").FullName;
    private readonly Socket _manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };

    private string Address => Path.Combine(_folder, "notify");

    public void Dispose()
    {
        _manager.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void It_hears_of_the_beginning_and_the_end(bool isAbstract)
    {
        var address = isAbstract ? $"@stint-{Guid.NewGuid():N}" : Address;
        _manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + address[1..] : address));
        using var notices = ServiceNotices.From(name => name == "NOTIFY_SOCKET" ? address : null, TimeProvider.System);
        notices.Ready("http://localhost:8000");
        Assert.Equal("READY=1\nSTATUS=http://localhost:8000", Receive());
        notices.Stopping(TimeSpan.FromSeconds(1.5));
        Assert.Equal("STOPPING=1\nSTATUS=running calls are finished\nEXTEND_TIMEOUT_USEC=1500000", Receive());
    }

    [Fact]
    public void It_hears_twice_in_each_period_that_the_daemon_lives()
    {
        var time = new FakeTime();
        _manager.Bind(new UnixDomainSocketEndPoint(Address));
        using var notices = ServiceNotices.From(name => name switch { "NOTIFY_SOCKET" => Address, "WATCHDOG_USEC" => "60000000", _ => null }, time);
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(0, _manager.Available);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("WATCHDOG=1", Receive());
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal("WATCHDOG=1", Receive());
    }

    [Theory]
    [InlineData(null), InlineData(""), InlineData("relative"), InlineData("vsock:2:1"), InlineData("/there/is/none")]
    public void Without_a_manager_that_listens_nothing_happens(string? address)
    {
        using var notices = ServiceNotices.From(name => name == "NOTIFY_SOCKET" ? address : name == "WATCHDOG_USEC" ? "1000" : null, TimeProvider.System);
        notices.Ready("x");
        notices.Stopping(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void Variables_meant_for_another_process_set_no_pulse()
    {
        var time = new FakeTime();
        _manager.Bind(new UnixDomainSocketEndPoint(Address));
        using var notices = ServiceNotices.From(name => name switch { "NOTIFY_SOCKET" => Address, "WATCHDOG_USEC" => "1000", "WATCHDOG_PID" => "1", _ => null }, time);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, _manager.Available);
    }

    private string Receive()
    {
        var buffer = new byte[1024];
        return Encoding.UTF8.GetString(buffer, 0, _manager.Receive(buffer));
    }
}
