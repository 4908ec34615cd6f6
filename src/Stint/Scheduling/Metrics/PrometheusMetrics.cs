// FunLess's core asks Prometheus for {node="NAME"} and takes what its workers' PromEx plugin calls worker_prom_ex_os_mon_resources_*. Here one question is asked for all machines, and the names of Prometheus'
// node_exporter and of this daemon are known too:
//
//   FunLess's worker (label node)                       node_exporter (label node, else the host of instance)     ours (label node)
//   worker_prom_ex_os_mon_resources_available_mem       node_memory_MemAvailable_bytes                            stint_host_memory_available_bytes
//   …_free_mem, …_total_mem                             node_memory_MemFree_bytes, node_memory_MemTotal_bytes     stint_host_memory_free_bytes, stint_host_memory_bytes
//   …_load_avg1, …_load_avg5, …_load_avg15              node_load1, node_load5, node_load15                       stint_host_load1, stint_host_load5, stint_host_load15
//   …_cpu_utilization (percent)                         rate(node_cpu_seconds_total{mode="idle"}[1m])             rate(stint_host_cpu_seconds_total{state="busy"}[1m]), by processor
using System.Globalization;
using System.Text.Json;

namespace Stint.Scheduling.Metrics;

/// <summary>Machines' load as a Prometheus server has it (https://prometheus.io/docs/prometheus/latest/querying/api/).</summary>
internal sealed class PrometheusMetrics : IDisposable
{
    // Some hundred bytes for each of a machine's eight series.
    private const int MaxAnswer = 16 * 1024 * 1024;

    private const string FunLess = "worker_prom_ex_os_mon_resources_";

    private const string Values = $"{{__name__=~\"{FunLess}(available_mem|free_mem|total_mem|load_avg1|load_avg5|load_avg15|cpu_utilization)|node_memory_Mem(Available|Free|Total)_bytes|node_load(1|5|15)|"
        + "stint_host_(memory_available_bytes|memory_free_bytes|memory_bytes|load1|load5|load15)\"}";

    private const string Cpu = "1 - avg by (node, instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[1m]))"
        + " or sum by (node, instance) (rate(stint_host_cpu_seconds_total{state=\"busy\"}[1m])) / sum by (node, instance) (rate(stint_host_cpu_seconds_total[1m]))";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Uri _address;
    private readonly HttpClient _http;

    /// <summary>Asks nothing yet.</summary>
    /// <param name="address">The server, as <see cref="ReadAddress"/> gives it.</param>
    /// <param name="handler">For requests; null = the usual one, without proxy and redirection.</param>
    public PrometheusMetrics(Uri address, HttpMessageHandler? handler = null)
    {
        _address = address;
        _http = new HttpClient(handler ?? new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) }) { Timeout = Patience, MaxResponseContentBufferSize = MaxAnswer };
    }

    /// <summary>Reads a server's address: <c>HOST</c> as FunLess's <c>PROMETHEUS_HOST</c> has it, with port 9090 then, <c>HOST:PORT</c>, or a URL; null when it is none.</summary>
    public static Uri? ReadAddress(string text)
    {
        var isUrl = text.Contains("://", StringComparison.Ordinal);
        if (!Uri.TryCreate(isUrl ? text : $"http://{text}", UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0 || uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0) return null;
        if (!isUrl && uri.AbsolutePath != "/") return null;
        var port = isUrl || text.TrimEnd('/').EndsWith($":{uri.Port}", StringComparison.Ordinal) ? uri.Port : 9090;
        return new UriBuilder(uri) { Port = port, Path = uri.AbsolutePath.TrimEnd('/') + "/" }.Uri;
    }

    /// <summary>What is known of all machines now, by name. A machine whose series have ended is not among them.</summary>
    /// <exception cref="IOException">The server does not answer, or answers something else; the message is for the operator.</exception>
    public async Task<IReadOnlyDictionary<string, WorkerMetrics>> ReadAsync(CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, WorkerMetrics>(StringComparer.Ordinal);
        await AskAsync(Values, (labels, value) => Put(found, labels, labels.TryGetProperty("__name__", out var name) ? name.GetString() ?? "" : "", value), cancellationToken).ConfigureAwait(false);
        await AskAsync(Cpu, (labels, value) => Put(found, labels, "cpu", value), cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static void Put(Dictionary<string, WorkerMetrics> found, JsonElement labels, string series, double value)
    {
        // A negative amount of anything, or none that is a number, is somebody's mistake.
        if (NameOf(labels) is not { Length: > 0 } name || !double.IsFinite(value) || value < 0) return;
        var known = found.GetValueOrDefault(name) ?? new WorkerMetrics();
        found[name] = series.Replace(FunLess, "", StringComparison.Ordinal) switch
        {
            "available_mem" or "node_memory_MemAvailable_bytes" or "stint_host_memory_available_bytes" => known with { AvailableMemory = (long)value },
            "free_mem" or "node_memory_MemFree_bytes" or "stint_host_memory_free_bytes" => known with { FreeMemory = (long)value },
            "total_mem" or "node_memory_MemTotal_bytes" or "stint_host_memory_bytes" => known with { TotalMemory = (long)value },
            "load_avg1" or "node_load1" or "stint_host_load1" => known with { Load1 = value },
            "load_avg5" or "node_load5" or "stint_host_load5" => known with { Load5 = value },
            "load_avg15" or "node_load15" or "stint_host_load15" => known with { Load15 = value },
            "cpu_utilization" => known with { Cpu = value / 100 },
            "cpu" => known with { Cpu = value },
            _ => known,
        };
    }

    // FunLess's names are Erlang's: worker@HOST, which no machine here is called.
    private static string? NameOf(JsonElement labels)
    {
        if (labels.TryGetProperty("node", out var node) && node.GetString() is { Length: > 0 } name) return name[(name.IndexOf('@', StringComparison.Ordinal) + 1)..];
        if (!labels.TryGetProperty("instance", out var instance) || instance.GetString() is not { } address) return null;
        var colon = address.LastIndexOf(':');
        return (colon > 0 ? address[..colon] : address).Trim('[', ']');
    }

    private async Task AskAsync(string query, Action<JsonElement, double> put, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri(_address, $"api/v1/query?query={Uri.EscapeDataString(query)}"), cancellationToken).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode) throw new IOException($"Prometheus at {_address} answers {(int)answer.StatusCode}: is that its address? (prometheus, PROMETHEUS_HOST)");
            using var document = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false));
            foreach (var series in document.RootElement.GetProperty("data").GetProperty("result").EnumerateArray())
            {
                if (series.GetProperty("value")[1].GetString() is { } text && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)) put(series.GetProperty("metric"), value);
            }
        }
        catch (Exception failure) when (failure is HttpRequestException || failure is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"Prometheus at {_address} does not answer: {failure.Message}", failure);
        }
        catch (Exception failure) when (failure is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new IOException($"what answers at {_address} is not Prometheus' query API (prometheus, PROMETHEUS_HOST)", failure);
        }
    }
}
