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
        Http.DefaultRequestHeaders.UserAgent.ParseAdd("OpenAPI-Generator/1.0.0/go");
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

    /// <summary>Whether two texts are the same JSON.</summary>
    public static bool Same(string one, string other) => JsonElement.DeepEquals(JsonDocument.Parse(one).RootElement, JsonDocument.Parse(other).RootElement);
}
