using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Net.Http.Headers;
using Stint.Management;

namespace Stint.Tests.Cli;

/// <summary>A server on a real socket that answers as the management API and the invocation endpoint do, from canned views.</summary>
internal sealed class PlayedDaemon : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _topsAsked;

    private PlayedDaemon(WebApplication app) => _app = app;

    /// <summary>What is deployed.</summary>
    public List<FunctionDetailView> Functions { get; } = [];

    /// <summary>What <c>top</c> answers, one after the other; the last again and again.</summary>
    public List<TopView> Tops { get; } = [];

    /// <summary>What <c>logs</c> answers.</summary>
    public List<LogLineView> Logs { get; } = [];

    /// <summary>What a deployment answers, one line each; <see cref="Deployed"/> by default.</summary>
    public List<string> DeployLines { get; } = [];

    /// <summary>When set, requests without it are refused with 401.</summary>
    public string? Token { get; set; }

    /// <summary>Answers calls of functions; echoes by default.</summary>
    public Func<HttpContext, Task> Call { get; set; } = EchoAsync;

    /// <summary>When set, everything is answered with it: a daemon in trouble, or no daemon at all.</summary>
    public Func<HttpContext, Task>? Instead { get; set; }

    /// <summary>Method and address of each request.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>Headers of the last request.</summary>
    public Dictionary<string, string> LastHeaders { get; } = [];

    /// <summary>The parts of the last upload.</summary>
    public Dictionary<string, byte[]> Upload { get; } = [];

    /// <summary>The follower of a log has left.</summary>
    public TaskCompletionSource FollowerLeft { get; } = new();

    /// <summary>The base address.</summary>
    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>Starts on a free port, IPv4.</summary>
    public static async Task<PlayedDaemon> StartAsync(string address = "http://127.0.0.1:0")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(address);
        var app = builder.Build();
        var daemon = new PlayedDaemon(app);
        app.Run(daemon.AnswerAsync);
        await app.StartAsync();
        return daemon;
    }

    /// <summary>How often something below the API's root was asked for.</summary>
    public int Asked(string path)
    {
        lock (Requests) return Requests.Count(request => request == $"GET /stint/v1/{path}");
    }

    /// <summary>The code of the last upload, unpacked in memory.</summary>
    public ZipArchive UploadedCode() => new(new MemoryStream(Upload["code"]));

    /// <summary>Whether the last upload had code.</summary>
    public bool HasUploadedCode() => Upload.ContainsKey("code");

    /// <summary>The <c>function.toml</c> of the last upload.</summary>
    public string UploadedToml() => Encoding.UTF8.GetString(Upload["function.toml"]);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task EchoAsync(HttpContext context)
    {
        context.Response.Headers["X-Method"] = context.Request.Method;
        await context.Request.Body.CopyToAsync(context.Response.Body);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        lock (Requests) Requests.Add($"{request.Method} {request.Path}{request.QueryString}");
        LastHeaders.Clear();
        foreach (var (name, value) in request.Headers) LastHeaders[name] = value.ToString();
        if (Instead is { } instead)
        {
            await instead(context);
            return;
        }
        if (!request.Path.StartsWithSegments("/stint/v1", out var rest))
        {
            await Call(context);
            return;
        }
        if (Token is not null && request.Headers.Authorization != $"Bearer {Token}")
        {
            await RefuseAsync(context, HttpStatusCode.Unauthorized, "unauthorized", "a token is needed");
            return;
        }
        switch (request.Method, rest.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            case ("GET", ["info"]):
                await JsonAsync(context, JsonSerializer.Serialize(new DaemonView
                {
                    Version = "0.1.0", Pid = 4711, Isolation = "sandbox", Endpoints = [new("http", Url), new("management", Url)], Registry = "/tmp", State = "/tmp",
                }, ManagementJson.Default.DaemonView));
                break;
            case ("GET", ["top"]):
                await JsonAsync(context, JsonSerializer.Serialize(Tops[Math.Min(Interlocked.Increment(ref _topsAsked), Tops.Count) - 1], ManagementJson.Default.TopView));
                break;
            case ("GET", ["functions"]):
                // Through the base type, so that the list has the list's fields only.
                await JsonAsync(context, JsonSerializer.Serialize(new FunctionListView([.. Functions.Select(Plain)]), ManagementJson.Default.FunctionListView));
                break;
            case ("DELETE", ["functions"]):
                await JsonAsync(context, JsonSerializer.Serialize(new RemovedView(Functions.Count), ManagementJson.Default.RemovedView));
                Functions.Clear();
                break;
            case ("PUT", ["functions", var name]):
                await ReceiveAsync(context);
                context.Response.ContentType = "application/x-ndjson";
                foreach (var line in DeployLines is [] ? [Deployed(name)] : DeployLines) await context.Response.WriteAsync(line + "\n");
                break;
            case (var method, ["functions", var name]):
                if (Functions.Find(function => function.FullName == name) is not { } found) await RefuseAsync(context, HttpStatusCode.NotFound, "not-found", $"there is no function '{name}'");
                else if (method == "GET") await JsonAsync(context, JsonSerializer.Serialize(found, ManagementJson.Default.FunctionDetailView));
                else
                {
                    Functions.Remove(found);
                    context.Response.StatusCode = 204;
                }
                break;
            case ("GET", ["logs"]):
                foreach (var line in Logs) await context.Response.WriteAsync(JsonSerializer.Serialize(line, ManagementJson.Default.LogLineView) + "\n");
                if (request.Query["follow"] == "true") await FollowAsync(context);
                break;
            default:
                await RefuseAsync(context, HttpStatusCode.NotFound, "not-found", "no such route");
                break;
        }
    }

    private async Task FollowAsync(HttpContext context)
    {
        await context.Response.Body.FlushAsync();
        await using var left = context.RequestAborted.Register(() => FollowerLeft.TrySetResult());
        await FollowerLeft.Task;
    }

    private async Task ReceiveAsync(HttpContext context)
    {
        Upload.Clear();
        var boundary = HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(context.Request.ContentType).Boundary).Value!;
        var reader = new MultipartReader(boundary, context.Request.Body);
        while (await reader.ReadNextSectionAsync() is { } section)
        {
            using var content = new MemoryStream();
            await section.Body.CopyToAsync(content);
            Upload[HeaderUtilities.RemoveQuotes(ContentDispositionHeaderValue.Parse(section.ContentDisposition).Name).Value!] = content.ToArray();
        }
    }

    /// <summary>The last line of a deployment that succeeded.</summary>
    public static string Deployed(string name) => JsonSerializer.Serialize(
        new DeployEventView { Event = "deployed", Function = new FunctionView { Name = name, Runtime = "python3", State = "ready", Version = "a1b2c3d4" } }, ManagementJson.Default.DeployEventView);

    /// <summary>A refusal as the API writes it.</summary>
    public static Task RefuseAsync(HttpContext context, HttpStatusCode status, string code, string message)
    {
        context.Response.StatusCode = (int)status;
        return JsonAsync(context, JsonSerializer.Serialize(new ErrorBodyView(new ErrorView(code, message)), ManagementJson.Default.ErrorBodyView));
    }

    private static Task JsonAsync(HttpContext context, string json)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(json);
    }

    private static FunctionView Plain(FunctionDetailView detail) => new()
    {
        Name = detail.Name, Module = detail.Module, Runtime = detail.Runtime, State = detail.State, Problems = detail.Problems, Version = detail.Version, DeployedAt = detail.DeployedAt,
        Instances = detail.Instances, Queue = detail.Queue, Requests = detail.Requests, Errors = detail.Errors, ColdStarts = detail.ColdStarts, P50Seconds = detail.P50Seconds,
        P99Seconds = detail.P99Seconds, MemoryBytes = detail.MemoryBytes, ConcurrentRequests = detail.ConcurrentRequests, MinInstances = detail.MinInstances, MaxInstances = detail.MaxInstances,
    };
}
