using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Firecracker;

/// <summary>Firecracker's API over its Unix socket. One request at a time, as Firecracker serves them.</summary>
internal sealed class FirecrackerClient : IDisposable
{
    // Its longest answer, a fault's message, has some hundred bytes.
    private const int MaxAnswer = 64 * 1024;
    private static readonly TimeSpan ConnectPause = TimeSpan.FromMilliseconds(2);

    private readonly HttpClient _http;
    private readonly string _socket;
    private readonly TimeProvider _time;

    /// <param name="socket">Its socket, which may not be there yet.</param>
    /// <param name="time">For waits.</param>
    public FirecrackerClient(string socket, TimeProvider time)
    {
        (_socket, _time) = (socket, time);
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false, UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null, MaxConnectionsPerServer = 1,
            ConnectCallback = (_, cancellationToken) => ConnectAsync(cancellationToken),
        };
        _http = new HttpClient(handler) { BaseAddress = new Uri("http://firecracker/"), MaxResponseContentBufferSize = MaxAnswer, Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Waits until the API answers.</summary>
    /// <exception cref="FirecrackerException">It answers with nonsense.</exception>
    public async Task<MachineDescription> WaitAsync(CancellationToken cancellationToken)
    {
        while (!FileStat.TryRead(_socket, out _)) await Task.Delay(ConnectPause, _time, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            try
            {
                return await GetAsync("", FirecrackerJson.Default.MachineDescription, cancellationToken).ConfigureAwait(false);
            }
            catch (FirecrackerException notYet) when (IsRefused(notYet))
            {
                // Between bind(2) and listen(2).
                await Task.Delay(ConnectPause, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The version of the program.</summary>
    public Task<FirecrackerVersion> VersionAsync(CancellationToken cancellationToken) => GetAsync("version", FirecrackerJson.Default.FirecrackerVersion, cancellationToken);

    /// <summary>Processors and memory; before the machine starts.</summary>
    public Task PutAsync(MachineConfiguration machine, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, "machine-config", machine, FirecrackerJson.Default.MachineConfiguration, cancellationToken);

    /// <summary>The kernel; before the machine starts.</summary>
    public Task PutAsync(BootSource source, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, "boot-source", source, FirecrackerJson.Default.BootSource, cancellationToken);

    /// <summary>A disk; before the machine starts.</summary>
    public Task PutAsync(Drive drive, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, $"drives/{drive.Id}", drive, FirecrackerJson.Default.Drive, cancellationToken);

    /// <summary>A network interface; before the machine starts.</summary>
    public Task PutAsync(NetworkInterface network, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, $"network-interfaces/{network.Id}", network, FirecrackerJson.Default.NetworkInterface, cancellationToken);

    /// <summary>Where it logs; once.</summary>
    public Task PutAsync(LoggerSettings logger, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, "logger", logger, FirecrackerJson.Default.LoggerSettings, cancellationToken);

    /// <summary>Where it writes its metrics; once.</summary>
    public Task PutAsync(MetricsSettings metrics, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, "metrics", metrics, FirecrackerJson.Default.MetricsSettings, cancellationToken);

    /// <summary>Starts the machine.</summary>
    public Task StartAsync(CancellationToken cancellationToken) => ActAsync("InstanceStart", cancellationToken);

    /// <summary>Presses Ctrl-Alt-Del, at which Linux restarts, and Firecracker ends.</summary>
    public Task SendCtrlAltDelAsync(CancellationToken cancellationToken) => ActAsync("SendCtrlAltDel", cancellationToken);

    /// <summary>Writes its metrics now.</summary>
    public Task FlushMetricsAsync(CancellationToken cancellationToken) => ActAsync("FlushMetrics", cancellationToken);

    /// <summary>Stops the guest's processors.</summary>
    public Task PauseAsync(CancellationToken cancellationToken) => SetStateAsync("Paused", cancellationToken);

    /// <summary>Lets them go on.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken) => SetStateAsync("Resumed", cancellationToken);

    /// <summary>Writes the paused machine to files that the hypervisor makes.</summary>
    public Task SaveAsync(string statePath, string memoryPath, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, "snapshot/create", new SnapshotRequest("Full", statePath, memoryPath), FirecrackerJson.Default.SnapshotRequest, cancellationToken);

    /// <summary>Becomes the machine of a snapshot and goes on where that was paused. The memory's file stays mapped, and is not written to.</summary>
    public Task LoadAsync(string statePath, string memoryPath, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, "snapshot/load", new SnapshotSource(statePath, new MemoryBackend("File", memoryPath), true), FirecrackerJson.Default.SnapshotSource, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Task ActAsync(string action, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, "actions", new MachineAction(action), FirecrackerJson.Default.MachineAction, cancellationToken);

    private Task SetStateAsync(string state, CancellationToken cancellationToken) => SendAsync(HttpMethod.Patch, "vm", new MachineState(state), FirecrackerJson.Default.MachineState, cancellationToken);

    private async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        var answer = await AskAsync(request, cancellationToken).ConfigureAwait(false);
        try
        {
            return JsonSerializer.Deserialize(answer, type) ?? throw new FirecrackerException($"Firecracker answered GET /{path} with nothing");
        }
        catch (JsonException nonsense)
        {
            throw new FirecrackerException($"Firecracker answered GET /{path} with something else: {nonsense.Message}", nonsense);
        }
    }

    private async Task SendAsync<T>(HttpMethod method, string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        // Its HTTP parser (micro-http) wants a length, not chunks.
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        using var request = new HttpRequestMessage(method, path) { Content = content };
        await AskAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private async Task<byte[]> AskAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        byte[] body;
        var what = $"{request.Method} /{request.RequestUri}";
        try
        {
            using var response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
            body = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
            if (response.IsSuccessStatusCode) return body;
            throw new FirecrackerException($"Firecracker refused {what}: {FaultOf(body) ?? $"status {(int)response.StatusCode}"}");
        }
        catch (Exception failure) when (failure is HttpRequestException or SocketException or IOException and not FirecrackerException)
        {
            throw new FirecrackerException($"Firecracker's API broke off at {what}: {failure.Message}", failure);
        }
    }

    private static string? FaultOf(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, FirecrackerJson.Default.Fault)?.Message;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool IsRefused(FirecrackerException failure)
    {
        for (Exception? cause = failure; cause is not null; cause = cause.InnerException)
            if (cause is SocketException { SocketErrorCode: SocketError.ConnectionRefused }) return true;
        return false;
    }

    private async ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        // The socket lies in a folder of the hypervisor's user: a link there must not make us talk to somebody else's service.
        if (!FileStat.TryRead(_socket, out var stat) || !stat.IsSocket) throw new IOException($"{_socket} is no socket");
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socket), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
