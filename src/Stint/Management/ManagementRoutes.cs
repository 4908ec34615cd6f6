// The API of the command line, under /stint/v1 (docs/management-api.md). Its JSON is in Views.cs.
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Management.OpenApi;
using Stint.Telemetry.Logs;

namespace Stint.Management;

/// <summary>The routes of <c>/stint/v1</c>.</summary>
internal sealed class ManagementRoutes(Platform platform, Func<IReadOnlyList<EndpointView>> endpoints)
{
    private const string Root = "/stint/v1";
    private const int MaxTomlBytes = 1024 * 1024;

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var json = ManagementJson.Default;
        routes.MapGet(Root + "/info", InfoAsync).Describe(Says("The daemon").Answer(200, "It", json.DaemonView));
        routes.MapGet(Root + "/top", TopAsync).Describe(Says("All functions at work").Answer(200, "They", json.TopView));
        routes.MapGet(Root + "/functions", ListAsync).Describe(Says("What is deployed").Answer(200, "All functions", json.FunctionListView));
        routes.MapDelete(Root + "/functions", WipeAsync).Describe(Says("Remove all functions").Answer(200, "How many there were", json.RemovedView));
        routes.MapGet(Root + "/functions/{name}", DescribeAsync).Describe(Says("A function").Answer(200, "It", json.FunctionDetailView).Answer(400, "That is no name", json.ErrorBodyView).Answer(404, "No such function", json.ErrorBodyView));
        routes.MapPut(Root + "/functions/{name}", DeployAsync).Describe(Says("Deploy a function, new or in the place of an older version")
            .Takes(new ApiField("function.toml", "The specification"), new ApiField("code", "Its code, a zip", IsRequired: false, IsFile: true))
            .Answer(200, "One event a line; the last says how it ended", json.DeployEventView, "application/x-ndjson").Answer(400, "The upload cannot be read", json.ErrorBodyView));
        routes.MapDelete(Root + "/functions/{name}", RemoveAsync).Describe(Says("Remove a function").Answer(204, "Removed").Answer(400, "That is no name", json.ErrorBodyView).Answer(404, "No such function", json.ErrorBodyView));
        routes.MapPost(Root + "/functions/{name}/notify", NotifyAsync).Describe(Says("Tell who observes the function over CoAP that it would answer differently now")
            .Answer(200, "How many answers are asked for again", json.NotifiedView).Answer(404, "No such function", json.ErrorBodyView));
        routes.MapGet(Root + "/logs", LogsAsync).Describe(Says("Functions' logs").Asks("name", "One function; all without it").Asks("tail", "So many lines of the past").Asks("follow", "true: and what comes from now on")
            .Answer(200, "One line each", json.LogLineView, "application/x-ndjson").Answer(404, "No such function", json.ErrorBodyView));
    }

    private static ApiDescription Says(string summary) => new("Stint", summary);

    private Task InfoAsync(HttpContext context) => WriteAsync(context, new DaemonView
    {
        Version = ProgramVersion.Text,
        Pid = Environment.ProcessId,
        StartedAt = platform.StartedAt,
        Isolation = platform.Options.Isolation.ToString().ToLowerInvariant(),
        Endpoints = endpoints(),
        Registry = platform.Options.Registry,
        State = platform.Options.State,
        Host = new HostView(Environment.ProcessorCount, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes),
        Warnings = [.. platform.Warnings, .. platform.Registry.Snapshot.Problems],
    }, ManagementJson.Default.DaemonView);

    private Task ListAsync(HttpContext context) => WriteAsync(context, new FunctionListView(
        [.. platform.Registry.Snapshot.Functions.Values.OrderBy(static function => function.Name.ToString(), StringComparer.Ordinal).Select(function => FunctionViews.Summary(platform, function))]),
        ManagementJson.Default.FunctionListView);

    private Task TopAsync(HttpContext context) => WriteAsync(context, FunctionViews.Top(platform), ManagementJson.Default.TopView);

    private Task DescribeAsync(HttpContext context)
    {
        if (!TryGetFunction(context, out var name, out var refused)) return refused;
        return platform.Registry.Snapshot.Functions.TryGetValue(name, out var function)
            ? WriteAsync(context, FunctionViews.Detail(platform, function), ManagementJson.Default.FunctionDetailView)
            : NotFoundAsync(context, name);
    }

    private async Task WipeAsync(HttpContext context)
    {
        var count = platform.Registry.Snapshot.Functions.Count;
        try
        {
            await platform.Deployer.WipeAsync(context.RequestAborted).ConfigureAwait(false);
            await WriteAsync(context, new RemovedView(count), ManagementJson.Default.RemovedView).ConfigureAwait(false);
        }
        catch (DeploymentException failure)
        {
            await ManagementError.WriteAsync(context, failure).ConfigureAwait(false);
        }
    }

    private async Task RemoveAsync(HttpContext context)
    {
        if (!TryGetFunction(context, out var name, out var refused))
        {
            await refused.ConfigureAwait(false);
            return;
        }
        try
        {
            if (await platform.Deployer.RemoveAsync(name, context.RequestAborted).ConfigureAwait(false)) context.Response.StatusCode = StatusCodes.Status204NoContent;
            else await NotFoundAsync(context, name).ConfigureAwait(false);
        }
        catch (DeploymentException failure)
        {
            await ManagementError.WriteAsync(context, failure).ConfigureAwait(false);
        }
    }

    private Task NotifyAsync(HttpContext context)
    {
        if (!TryGetFunction(context, out var name, out var refused)) return refused;
        return platform.Registry.Snapshot.Functions.ContainsKey(name)
            ? WriteAsync(context, new NotifiedView(platform.Changed(name)), ManagementJson.Default.NotifiedView)
            : NotFoundAsync(context, name);
    }

    private async Task DeployAsync(HttpContext context)
    {
        if (!TryGetFunction(context, out var name, out var refused))
        {
            await refused.ConfigureAwait(false);
            return;
        }
        var scratch = Directory.CreateTempSubdirectory("stint-upload-").FullName;
        try
        {
            var (toml, zip, problem) = await ReadPartsAsync(context, scratch).ConfigureAwait(false);
            if (problem is not null) await ManagementError.WriteAsync(context, StatusCodes.Status400BadRequest, "bad-request", problem).ConfigureAwait(false);
            else await DeployAsync(context, name, toml!, zip).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    /// <summary>Deploys while the client watches: one JSON event a line.</summary>
    private async Task DeployAsync(HttpContext context, FunctionName name, string toml, string? zip)
    {
        context.Response.ContentType = "application/x-ndjson";
        var events = Channel.CreateUnbounded<DeployEventView>(new UnboundedChannelOptions { SingleReader = true });
        var deployment = RunAsync();
        await foreach (var line in events.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(line, ManagementJson.Default.DeployEventView)).ConfigureAwait(false);
            await context.Response.Body.WriteAsync("\n"u8.ToArray()).ConfigureAwait(false);
            await context.Response.Body.FlushAsync().ConfigureAwait(false);
        }
        await deployment.ConfigureAwait(false);

        async Task RunAsync()
        {
            try
            {
                await using var content = zip is null ? null : File.OpenRead(zip);
                await platform.DeployAsync(name, toml, content is null ? null : new CodeSource.Zip(content), Progress, context.RequestAborted).ConfigureAwait(false);
                var function = platform.Registry.Snapshot.Functions.GetValueOrDefault(name);
                events.Writer.TryWrite(new DeployEventView { Event = "deployed", Function = function is null ? null : FunctionViews.Summary(platform, function) });
            }
            catch (DeploymentException failure)
            {
                var code = failure is { Fault: DeploymentFault.BadRequest, InnerException: BrokenFunctionException } ? ErrorView.BadConfiguration : ManagementError.Code(failure.Fault);
                events.Writer.TryWrite(new DeployEventView { Event = "failed", Error = new ErrorView(code, failure.Message) });
            }
            catch (OperationCanceledException)
            {
                // The client has left; nothing was changed, and nobody is there to be told.
            }
            finally
            {
                events.Writer.TryComplete();
            }
        }

        void Progress(DeploymentProgress line) => events.Writer.TryWrite(new DeployEventView { Event = line.Kind == ProgressKind.Step ? "step" : "output", Text = line.Text });
    }

    private static async Task<(string? Toml, string? Zip, string? Problem)> ReadPartsAsync(HttpContext context, string scratch)
    {
        if (!MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type) || HeaderUtilities.RemoveQuotes(type.Boundary).Value is not { Length: > 0 } boundary)
            return (null, null, "send multipart/form-data with the parts 'function.toml' and, for a function that has code of its own, 'code' (a zip)");
        string? toml = null, zip = null;
        var reader = new MultipartReader(boundary, context.Request.Body) { BodyLengthLimit = null };
        try
        {
            while (await reader.ReadNextSectionAsync(context.RequestAborted).ConfigureAwait(false) is { } section)
            {
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition)) continue;
                switch (HeaderUtilities.RemoveQuotes(disposition.Name).Value)
                {
                    case "function.toml":
                        toml = await ReadTextAsync(section.Body, context.RequestAborted).ConfigureAwait(false);
                        if (toml is null) return (null, null, $"function.toml is larger than {MaxTomlBytes / 1024 / 1024} MiB");
                        break;
                    case "code":
                        zip = Path.Combine(scratch, "code.zip");
                        await using (var file = File.Create(zip)) await section.Body.CopyToAsync(file, context.RequestAborted).ConfigureAwait(false);
                        break;
                }
            }
        }
        catch (Exception failure) when (failure is IOException or BadHttpRequestException or InvalidDataException)
        {
            return (null, null, $"the upload could not be read: {failure.Message}");
        }
        return toml is null ? (null, null, "the part 'function.toml' is missing") : (toml, zip, null);
    }

    private static async Task<string?> ReadTextAsync(Stream stream, CancellationToken cancellationToken)
    {
        var bytes = new byte[MaxTomlBytes + 1];
        var count = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return count > MaxTomlBytes ? null : System.Text.Encoding.UTF8.GetString(bytes, 0, count);
    }

    private async Task LogsAsync(HttpContext context)
    {
        FunctionName? function = null;
        if (context.Request.Query["name"] is [{ Length: > 0 } text, ..])
        {
            if (!FunctionName.TryParse(text, out var name))
            {
                await ManagementError.WriteAsync(context, StatusCodes.Status400BadRequest, "bad-request", $"'name' is not a function's name: {FunctionName.Rule}").ConfigureAwait(false);
                return;
            }
            if (!platform.Registry.Snapshot.Functions.ContainsKey(name))
            {
                await NotFoundAsync(context, name).ConfigureAwait(false);
                return;
            }
            function = name;
        }
        int? tail = int.TryParse(context.Request.Query["tail"], out var count) && count >= 0 ? count : null;
        var follow = context.Request.Query["follow"] is ["true" or "1", ..];
        context.Response.ContentType = "application/x-ndjson";
        // Following begins before the past is read, so that no line falls between the two; a line that is in both is sent once.
        await using var following = follow ? platform.Logs.FollowAsync(function, context.RequestAborted).GetAsyncEnumerator(context.RequestAborted) : null;
        var next = following?.MoveNextAsync().AsTask();
        LogLine? last = null;
        foreach (var line in platform.Logs.Read(function, tail)) await WriteLineAsync(context, last = line).ConfigureAwait(false);
        await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            while (next is { } pending && await pending.ConfigureAwait(false))
            {
                if (last is null || following!.Current.Time > last.Time) await WriteLineAsync(context, following!.Current).ConfigureAwait(false);
                await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
                next = following.MoveNextAsync().AsTask();
            }
        }
        catch (OperationCanceledException)
        {
            // The client has left.
        }
    }

    private static async Task WriteLineAsync(HttpContext context, LogLine line)
    {
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(line, LogJson.Default.LogLine), context.RequestAborted).ConfigureAwait(false);
        await context.Response.Body.WriteAsync("\n"u8.ToArray(), context.RequestAborted).ConfigureAwait(false);
    }

    private static bool TryGetFunction(HttpContext context, out FunctionName name, out Task refused)
    {
        var valid = FunctionName.TryParse((string?)context.Request.RouteValues["name"], out name);
        refused = valid ? Task.CompletedTask : ManagementError.WriteAsync(context, StatusCodes.Status400BadRequest, "bad-request", $"that is not a function's name: {FunctionName.Rule}, and '.MODULE' may follow");
        return valid;
    }

    private static Task NotFoundAsync(HttpContext context, FunctionName name) =>
        ManagementError.WriteAsync(context, StatusCodes.Status404NotFound, "not-found", $"there is no function {name}; 'stint ls' lists what is deployed");

    private static Task WriteAsync<T>(HttpContext context, T view, JsonTypeInfo<T> type)
    {
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(view, type)).AsTask();
    }
}
