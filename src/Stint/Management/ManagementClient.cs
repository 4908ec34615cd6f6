using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Stint.Management;

/// <summary>
/// Speaks the management API to a daemon. Every failure is a <see cref="ManagementException"/>. No call retries. Streams (deploy, logs) may last for ever;
/// everything else ends within <see cref="AnswerLimit"/>.
/// </summary>
internal sealed class ManagementClient : IDisposable
{
    /// <summary>The longest that a plain question may take. Arbitrary: far above what a loaded edge machine needs.</summary>
    public static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    private const string Root = "stint/v1/";
    private readonly HttpClient _http;
    private readonly TimeProvider _time;

    /// <summary>A client of the daemon at <paramref name="address"/>; nothing is sent yet.</summary>
    public ManagementClient(Uri address, string? token, TimeProvider time)
    {
        Address = address;
        _time = time;
        // A proxy meant for the internet has no business between the command line and a daemon beside it.
        _http = new HttpClient(new ConnectionFaults(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5) }))
        {
            BaseAddress = new Uri(address.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (token is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>The daemon's management endpoint.</summary>
    public Uri Address { get; }

    /// <summary>Reads an address as people type it; <c>host:port</c> without a scheme is HTTP.</summary>
    public static bool TryParseAddress(string text, [NotNullWhen(true)] out Uri? address)
    {
        if (!text.Contains("://", StringComparison.Ordinal)) text = "http://" + text;
        return Uri.TryCreate(text, UriKind.Absolute, out address) && address.Scheme is "http" or "https" && address.Host.Length > 0;
    }

    /// <summary><c>GET info</c>.</summary>
    public Task<DaemonView> ReadDaemonAsync(CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Get, "info", ManagementJson.Default.DaemonView, cancellationToken);

    /// <summary><c>GET top</c>.</summary>
    public Task<TopView> ReadTopAsync(CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Get, "top", ManagementJson.Default.TopView, cancellationToken);

    /// <summary><c>GET functions</c>.</summary>
    public async Task<IReadOnlyList<FunctionView>> ListAsync(CancellationToken cancellationToken) =>
        (await AskAsync(HttpMethod.Get, "functions", ManagementJson.Default.FunctionListView, cancellationToken)).Functions;

    /// <summary><c>GET functions/{name}</c>.</summary>
    public Task<FunctionDetailView> DescribeAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Get, "functions/" + Uri.EscapeDataString(name), ManagementJson.Default.FunctionDetailView, cancellationToken);

    /// <summary><c>DELETE functions/{name}</c>.</summary>
    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        using var limit = Limit(cancellationToken);
        using var answer = await SendAsync(new(HttpMethod.Delete, Root + "functions/" + Uri.EscapeDataString(name)), limit.Token, cancellationToken);
    }

    /// <summary><c>DELETE functions</c>: removes all and says how many there were.</summary>
    public async Task<int> WipeAsync(CancellationToken cancellationToken) =>
        (await AskAsync(HttpMethod.Delete, "functions", ManagementJson.Default.RemovedView, cancellationToken)).Removed;

    /// <summary><c>POST functions/{name}/notify</c>: says how many observed answers are asked for again.</summary>
    public async Task<int> NotifyAsync(string name, CancellationToken cancellationToken) =>
        (await AskAsync(HttpMethod.Post, $"functions/{Uri.EscapeDataString(name)}/notify", ManagementJson.Default.NotifiedView, cancellationToken)).Representations;

    /// <summary><c>GET tokens</c>.</summary>
    public async Task<IReadOnlyList<TokenHolderView>> ListTokensAsync(CancellationToken cancellationToken) =>
        (await AskAsync(HttpMethod.Get, "tokens", ManagementJson.Default.TokenListView, cancellationToken)).Subjects;

    /// <summary><c>POST tokens</c>: adds a subject.</summary>
    public Task<TokenView> AddTokenAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Post, "tokens", ManagementJson.Default.TokenView, cancellationToken, JsonContent.Create(new TokenRequest(name), ManagementJson.Default.TokenRequest));

    /// <summary><c>POST tokens/{name}/renew</c>.</summary>
    public Task<TokenView> RenewTokenAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Post, $"tokens/{Uri.EscapeDataString(name)}/renew", ManagementJson.Default.TokenView, cancellationToken);

    /// <summary><c>DELETE tokens/{name}</c>.</summary>
    public async Task RevokeTokenAsync(string name, CancellationToken cancellationToken)
    {
        using var limit = Limit(cancellationToken);
        using var answer = await SendAsync(new(HttpMethod.Delete, Root + "tokens/" + Uri.EscapeDataString(name)), limit.Token, cancellationToken);
    }

    /// <summary><c>PUT functions/{name}</c>: uploads and yields the daemon's reports until the build has ended; the last is <c>deployed</c> or <c>failed</c>.</summary>
    /// <param name="zip">The code; read once, not disposed of.</param>
    public async IAsyncEnumerable<DeployEventView> DeployAsync(string name, string functionToml, Stream? zip, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var toml = new StringContent(functionToml, Encoding.UTF8, "text/plain");
        using var form = new MultipartFormDataContent { { toml, "\"function.toml\"" } };
        if (zip is not null)
        {
            var code = new StreamContent(zip, 64 * 1024);
            code.Headers.ContentType = new MediaTypeHeaderValue("application/zip");
            form.Add(code, "\"code\"", "\"code.zip\"");
        }
        var request = new HttpRequestMessage(HttpMethod.Put, Root + "functions/" + Uri.EscapeDataString(name)) { Content = form };
        using var answer = await SendAsync(request, cancellationToken, cancellationToken);
        await foreach (var line in ReadLinesAsync(answer, ManagementJson.Default.DeployEventView, cancellationToken)) yield return line;
    }

    /// <summary><c>GET async</c>.</summary>
    public Task<AsyncListView> ListAsyncAsync(AsyncChoice choice, int limit, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"async?{choice.Query}&limit={limit}"), ManagementJson.Default.AsyncListView, cancellationToken);

    /// <summary><c>GET async/entry</c>.</summary>
    public Task<AsyncDetailsView> ShowAsyncAsync(AsyncChoice choice, CancellationToken cancellationToken) =>
        AskAsync(HttpMethod.Get, "async/entry?" + choice.Query, ManagementJson.Default.AsyncDetailsView, cancellationToken);

    /// <summary><c>POST async/retry</c>: says how many.</summary>
    public async Task<int> RetryAsyncAsync(AsyncChoice choice, CancellationToken cancellationToken) =>
        (await AskAsync(HttpMethod.Post, "async/retry?" + choice.Query, ManagementJson.Default.AsyncCountView, cancellationToken)).Count;

    /// <summary><c>DELETE async</c>: says how many.</summary>
    public async Task<int> DropAsyncAsync(AsyncChoice choice, CancellationToken cancellationToken) =>
        (await AskAsync(HttpMethod.Delete, "async?" + choice.Query, ManagementJson.Default.AsyncCountView, cancellationToken)).Count;

    /// <summary><c>GET logs</c>.</summary>
    /// <param name="name">Full name of a function; null = all.</param>
    /// <param name="tail">Lines of the past; null = as many as the daemon sees fit.</param>
    public async IAsyncEnumerable<LogLineView> ReadLogsAsync(string? name, int? tail, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var query = new List<string>();
        if (name is not null) query.Add("name=" + Uri.EscapeDataString(name));
        if (tail is { } lines) query.Add("tail=" + lines.ToString(CultureInfo.InvariantCulture));
        if (follow) query.Add("follow=true");
        using var answer = await SendAsync(new(HttpMethod.Get, $"{Root}logs?{string.Join('&', query)}"), cancellationToken, cancellationToken);
        await foreach (var line in ReadLinesAsync(answer, ManagementJson.Default.LogLineView, cancellationToken)) yield return line;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private CancellationTokenSource Limit(CancellationToken cancellationToken)
    {
        // Two sources, because a linked one knows no TimeProvider; the inner one lives as long as its timer.
        var limit = new CancellationTokenSource(AnswerLimit, _time);
        return CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
    }

    private async Task<T> AskAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancellationToken, HttpContent? content = null)
    {
        using var limit = Limit(cancellationToken);
        using var answer = await SendAsync(new(method, Root + path) { Content = content }, limit.Token, cancellationToken);
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(limit.Token);
            return await JsonSerializer.DeserializeAsync(body, type, limit.Token) ?? throw NotStint("an empty answer");
        }
        catch (JsonException)
        {
            throw NotStint("an answer that is not of its API");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw BrokeOff(e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw TookTooLong();
        }
    }

    /// <summary>Sends, and returns only a 2xx answer, of which the headers have arrived.</summary>
    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken limit, CancellationToken cancellationToken)
    {
        using (request)
        {
            try
            {
                var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit);
                if (answer.IsSuccessStatusCode) return answer;
                using (answer) throw await RefusalAsync(answer, limit);
            }
            catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
            {
                throw new ManagementException(ManagementFailure.Unreachable, "unreachable",
                    $"no daemon answers at {Display}. Start one with 'stint up', or name another with --management.", e);
            }
            catch (HttpRequestException e)
            {
                throw BrokeOff(e);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                // The handler reports its connect timeout as a cancellation that nobody asked for.
                if (e.InnerException is TimeoutException)
                    throw new ManagementException(ManagementFailure.Unreachable, "unreachable",
                        $"no daemon answers at {Display}. Start one with 'stint up', or name another with --management.", e);
                throw TookTooLong();
            }
        }
    }

    private async Task<ManagementException> RefusalAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        ErrorView? error = null;
        try
        {
            var body = await answer.Content.ReadAsByteArrayAsync(cancellationToken);
            error = JsonSerializer.Deserialize(body, ManagementJson.Default.ErrorBodyView)?.Error;
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            // The status says enough.
        }
        return (answer.StatusCode, error) switch
        {
            (HttpStatusCode.Unauthorized, _) => new(ManagementFailure.Denied, "unauthorized",
                $"the daemon at {Display} wants a token and {(_http.DefaultRequestHeaders.Authorization is null ? "none was given" : "this one is not it")}. "
                + "Pass the content of its token file (STATE/token) with --token, --token-file or STINT_TOKEN."),
            (HttpStatusCode.Forbidden, _) => new(ManagementFailure.Denied, "forbidden", error?.Message ?? $"the daemon at {Display} does not permit this."),
            (_, { } known) => new(ManagementFailure.Refused, known.Code, known.Message),
            _ => NotStint($"status {(int)answer.StatusCode}"),
        };
    }

    private async IAsyncEnumerable<T> ReadLinesAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class
    {
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken), Encoding.UTF8);
        while (await NextAsync() is { } item) yield return item;

        async Task<T?> NextAsync()
        {
            try
            {
                string? line;
                do line = await reader.ReadLineAsync(cancellationToken);
                while (line is "");
                return line is null ? null : JsonSerializer.Deserialize(line, type);
            }
            catch (JsonException)
            {
                throw NotStint("a line that is not of its API");
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                throw BrokeOff(e);
            }
        }
    }

    private string Display => Address.GetLeftPart(UriPartial.Authority);

    private ManagementException NotStint(string what) =>
        new(ManagementFailure.Broken, "not-stint", $"{Display} answers, but not like a Stint daemon of this version ({what}). Check --management, or update one of the two.");

    private ManagementException BrokeOff(Exception cause) =>
        new(ManagementFailure.Broken, "broken-off", $"the connection to the daemon at {Display} broke off ({cause.Message.TrimEnd('.')}). See its log, then try again.", cause);

    private ManagementException TookTooLong() =>
        new(ManagementFailure.Broken, "too-slow", $"the daemon at {Display} did not answer within {AnswerLimit.TotalSeconds:0} s. See its log, then try again.");
}

/// <summary>Which asynchronous calls and deliveries are meant.</summary>
/// <param name="Function">Full name of their function; null = any.</param>
/// <param name="Id">Of the call, or the delivery; null = any.</param>
/// <param name="IsDead">Dead letters only.</param>
internal sealed record AsyncChoice(string? Function, string? Id, bool IsDead)
{
    /// <summary>As the API wants it.</summary>
    public string Query => string.Join('&', new[]
    {
        Function is null ? null : "function=" + Uri.EscapeDataString(Function), Id is null ? null : "id=" + Uri.EscapeDataString(Id), IsDead ? "state=dead" : null,
    }.OfType<string>());
}

/// <summary>How a management call failed.</summary>
internal enum ManagementFailure
{
    /// <summary>Nothing listens there.</summary>
    Unreachable,

    /// <summary>401 or 403.</summary>
    Denied,

    /// <summary>The daemon said no, with a reason.</summary>
    Refused,

    /// <summary>The connection or the answer was unusable.</summary>
    Broken,
}

/// <summary>A management call that failed; the message is for the user.</summary>
/// <param name="failure">How.</param>
/// <param name="code">The API's word for it, see <see cref="ErrorView"/>.</param>
internal sealed class ManagementException(ManagementFailure failure, string code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How it failed.</summary>
    public ManagementFailure Failure { get; } = failure;

    /// <summary>The API's word for it.</summary>
    public string Code { get; } = code;
}
