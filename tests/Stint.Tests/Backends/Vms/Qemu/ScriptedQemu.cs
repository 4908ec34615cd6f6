using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Stint.Backends.Vms.Qemu;

namespace Stint.Tests.Backends.Vms.Qemu;

/// <summary>The other end of a <see cref="QmpClient"/>'s connection, which says what a test wants, the wrong things above all.</summary>
internal sealed class ScriptedQemu : IDisposable
{
    /// <summary>As QEMU 7.2 has it.</summary>
    public const string Greeting = """{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}""";

    private readonly Socket _ours;
    private readonly StreamReader _reader;

    public ScriptedQemu()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var theirs = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        theirs.Connect(listener.LocalEndpoint);
        _ours = listener.AcceptSocket();
        _reader = new StreamReader(new NetworkStream(_ours));
        ClientsEnd = new NetworkStream(theirs, ownsSocket: true);
    }

    /// <summary>What the client gets.</summary>
    public Stream ClientsEnd { get; }

    /// <summary>Says a line, whatever it is.</summary>
    public void Say(string line) => _ours.Send(Encoding.UTF8.GetBytes(line + "\n"));

    /// <summary>Says bytes.</summary>
    public void Say(ReadOnlySpan<byte> bytes) => _ours.Send(bytes);

    /// <summary>Waits for a command.</summary>
    public async Task<(string Command, long Id, JsonElement Request)> HearAsync()
    {
        var request = JsonDocument.Parse((await _reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System))!).RootElement;
        return (request.GetProperty("execute").GetString()!, request.GetProperty("id").GetInt64(), request);
    }

    /// <summary>A client that has been greeted and has taken up commands.</summary>
    public async Task<QmpClient> OpenAsync(Action<string, JsonElement?>? onEvent = null)
    {
        var opening = QmpClient.OpenAsync(ClientsEnd, onEvent ?? ((_, _) => { }), default);
        Say(Greeting);
        var (command, id, _) = await HearAsync();
        Assert.Equal("qmp_capabilities", command);
        Say($$"""{"return": {}, "id": {{id}}}""");
        return await opening;
    }

    /// <summary>Ends the connection.</summary>
    public void HangUp() => _ours.Dispose();

    /// <inheritdoc/>
    public void Dispose()
    {
        _ours.Dispose();
        _reader.Dispose();
    }
}
