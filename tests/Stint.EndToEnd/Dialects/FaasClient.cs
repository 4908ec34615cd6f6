using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>
/// The requests that <c>faas-cli</c> makes, out of the contract: its own program cannot be had without the internet. <c>deploy</c> sends PUT, and POST when that is 404; all bodies are JSON, and every
/// request names the client and, after <c>login</c>, user and password.
/// </summary>
internal sealed class FaasClient : IDisposable
{
    private readonly HttpClient _http;

    public FaasClient(int port, string? login = null)
    {
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = TimeSpan.FromSeconds(100) };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("faas-cli/0.16.30");
        if (login is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(login)));
    }

    public HttpClient Http => _http;

    public void Dispose() => _http.Dispose();

    /// <summary>Any request; a body is JSON.</summary>
    public async Task<(int Status, string Body)> SendAsync(string method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await _http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary><c>faas-cli deploy</c>.</summary>
    public async Task<(int Status, string Body)> DeployAsync(string json)
    {
        var updated = await SendAsync("PUT", "system/functions", json);
        return updated.Status == 404 ? await SendAsync("POST", "system/functions", json) : updated;
    }

    /// <summary><c>faas-cli describe</c>; null when there is no such function.</summary>
    public async Task<JsonElement?> DescribeAsync(string name, string space = "")
    {
        var (status, body) = await SendAsync("GET", $"system/function/{name}?namespace={space}&usage=1");
        return status == 404 ? null : JsonDocument.Parse(body).RootElement;
    }

    /// <summary>Replicas that there are, and those that are ready.</summary>
    public async Task<(int Replicas, int Available)> ReplicasAsync(string name)
    {
        var status = (await DescribeAsync(name))!.Value;
        return (status.GetProperty("replicas").GetInt32(), status.GetProperty("availableReplicas").GetInt32());
    }

    /// <summary><c>faas-cli ready</c>: waits for so many instances, all of them ready.</summary>
    public Task ReadyAsync(string name, int count = 1) => Retry.UntilAsync($"{name} has {count} instances", async () => await ReplicasAsync(name) == (count, count));
}
