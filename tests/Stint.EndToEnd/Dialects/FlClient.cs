using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Stint.EndToEnd.Dialects;

/// <summary>
/// The requests that FunLess's command line <c>fl</c> makes, out of the contract and the library that it is made with (fl-client-sdk-go): its own program cannot be had without the internet. JSON bodies, forms with
/// a file, a bearer token, and that library's User-Agent.
/// </summary>
internal sealed class FlClient : IDisposable
{
    public FlClient(int port, string? token)
    {
        Http = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://localhost:{port}/"), Timeout = TimeSpan.FromSeconds(100) };
        Http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", "OpenAPI-Generator/1.0.0/go");
        Http.DefaultRequestHeaders.Accept.ParseAdd("application/json");
        if (token is not null) Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public HttpClient Http { get; }

    public void Dispose() => Http.Dispose();

    /// <summary>A token out of the file that <c>fl</c> reads.</summary>
    public static string TokenIn(string file, string who) => File.ReadAllLines(file).Select(static line => line.Split('=', 2)).Single(parts => parts[0] == who)[1];

    /// <summary>Any request; a body is JSON.</summary>
    public async Task<(int Status, string Body)> SendAsync(string method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await Http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>A form: texts, and a file if there is one.</summary>
    public async Task<(int Status, string Body)> FormAsync(string method, string path, (string Field, byte[] Bytes)? file, params (string Name, string Text)[] texts)
    {
        using var form = new MultipartFormDataContent();
        foreach (var (name, text) in texts) form.Add(new StringContent(text), $"\"{name}\"");
        if (file is { } sent)
        {
            var content = new ByteArrayContent(sent.Bytes);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            form.Add(content, $"\"{sent.Field}\"", "\"code.wasm\"");
        }
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = form };
        using var answer = await Http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary><c>fl fn upload</c>.</summary>
    public Task<(int Status, string Body)> CreateAsync(string module, string name, byte[] code, params (string Name, string Text)[] more) =>
        FormAsync("POST", $"v1/fn/{module}", ("code", code), [("name", name), .. more]);

    /// <summary><c>fl fn invoke</c>.</summary>
    public Task<(int Status, string Body)> InvokeAsync(string module, string name, string? json = "{\"args\":{}}") => SendAsync("POST", $"v1/fn/{module}/{name}", json);

    /// <summary>A call of a caller who leaves when the token fires.</summary>
    public async Task CallAndLeaveAsync(string module, string name, CancellationToken leave)
    {
        try
        {
            using var answer = await Http.PostAsync($"v1/fn/{module}/{name}", new StringContent("{}"), leave);
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested)
        {
            // Left.
        }
    }

    /// <summary>An answer with this status and this JSON.</summary>
    public static void AssertJson((int Status, string Body) expected, (int Status, string Body) actual)
    {
        Assert.True(expected.Status == actual.Status, $"status {actual.Status}: {actual.Body}");
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(expected.Body).RootElement, JsonDocument.Parse(actual.Body).RootElement), actual.Body);
    }

    /// <summary>422 for the name.</summary>
    public static void AssertInvalid((int Status, string Body) answer, string message) => AssertJson((422, JsonSerializer.Serialize(new { errors = new { name = new[] { message } } })), answer);

    /// <summary>A refusal's status and FunLess's word for it.</summary>
    public static (int Status, string? Detail) Fault((int Status, string Body) answer) => (answer.Status, Detail(answer.Body));

    /// <summary>FunLess's word in a refusal.</summary>
    public static string? Detail(string body)
    {
        var root = JsonDocument.Parse(body).RootElement;
        return root.TryGetProperty("errors", out var errors) && errors.TryGetProperty("detail", out var detail) ? detail.GetString() : body;
    }
}
