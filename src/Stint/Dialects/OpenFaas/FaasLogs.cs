using System.Globalization;
using System.Text.Json;
using Stint.Functions.Deployments;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Dialects.OpenFaas;

/// <summary><c>GET /system/logs?name=&amp;namespace=&amp;instance=&amp;tail=&amp;since=&amp;follow=</c>: lines of all instances in the order of time, a JSON object each.</summary>
internal sealed class FaasLogs(Platform platform)
{
    /// <summary>Writes them; with <c>follow</c> until the client leaves or the daemon stops.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var name = FaasFunction.Name(query["name"], query["namespace"]);
        if (!platform.Registry.Snapshot.Functions.ContainsKey(name)) throw new DeploymentException(DeploymentFault.NotFound, $"there is no function {name}");
        string? instance = query["instance"];
        var tail = Tail(query["tail"]);
        var since = Since(query["since"]);
        var follow = query["follow"] is ["true" or "1", ..];
        context.Response.ContentType = "application/x-ndjson";
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        try
        {
            // Following begins before the past is read, so that no line falls between the two; a line that is in both is sent once.
            await using var following = follow ? platform.Logs.FollowAsync(name, end.Token).GetAsyncEnumerator(end.Token) : null;
            var next = following?.MoveNextAsync().AsTask();
            var last = DateTimeOffset.MinValue;
            var past = platform.Logs.Read(name, tail: null).Where(IsWanted).ToList();
            foreach (var line in tail is { } count && past.Count > count ? past[^count..] : past) await WriteLineAsync(context, name, line, end.Token).ConfigureAwait(false);
            if (past.Count > 0) last = past[^1].Time;
            await context.Response.Body.FlushAsync(end.Token).ConfigureAwait(false);
            while (next is not null && await next.ConfigureAwait(false))
            {
                var line = following!.Current;
                if (line.Time > last && IsWanted(line))
                {
                    await WriteLineAsync(context, name, line, end.Token).ConfigureAwait(false);
                    await context.Response.Body.FlushAsync(end.Token).ConfigureAwait(false);
                }
                next = following.MoveNextAsync().AsTask();
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The client has left, or the daemon stops.
        }

        bool IsWanted(LogLine line) => line.Time >= since && (string.IsNullOrEmpty(instance) || line.Instance == instance);
    }

    private static async Task WriteLineAsync(HttpContext context, FunctionName name, LogLine line, CancellationToken cancellationToken)
    {
        var view = new FaasLogLine(name.Name, FaasNames.Namespace(name.Module), line.Instance, line.Time, line.Text);
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(view, FaasJson.Default.FaasLogLine), cancellationToken).ConfigureAwait(false);
        await context.Response.Body.WriteAsync("\n"u8.ToArray(), cancellationToken).ConfigureAwait(false);
    }

    private static int? Tail(string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count)) throw FaasFunction.Bad($"'tail' must be a number of lines");
        return count > 0 ? count : null;
    }

    private static DateTimeOffset Since(string? text)
    {
        if (string.IsNullOrEmpty(text)) return DateTimeOffset.MinValue;
        // An unescaped + of a time zone arrives as a space.
        return DateTimeOffset.TryParse(text.Replace(' ', '+'), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : throw FaasFunction.Bad("'since' must be a moment as RFC 3339 has it, such as 2026-01-31T12:00:00Z");
    }
}
