// Asynchronous calls and results on their way, for `stint async` (docs/management-api.md). Which are meant is said in the query: function=NAME, id=ID (of a call or a delivery), state=dead|waiting.
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Stint.Deliveries;
using Stint.Deliveries.Storage;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Management.OpenApi;

namespace Stint.Management;

/// <summary>The routes of <c>/stint/v1/async</c>.</summary>
internal sealed class AsyncRoutes(Platform platform)
{
    private const string Root = "/stint/v1/async";
    private const int UsualLimit = 100, MaxLimit = 1000, ShownBody = 64 * 1024;

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var json = ManagementJson.Default;
        routes.MapGet(Root, ListAsync).Describe(Says("Asynchronous calls and deliveries that wait, run, or are dead letters").Asks("limit", "1 to 1,000 entries; 100 if it is not there").Answer(200, "The oldest first", json.AsyncListView));
        routes.MapGet(Root + "/entry", ShowAsync).Describe(Says("Some of them whole, with bodies").Answer(200, "The first hundred", json.AsyncDetailsView));
        routes.MapPost(Root + "/retry", RetryAsync).Describe(Says("Try dead letters again, and others at once").Answer(200, "How many", json.AsyncCountView));
        routes.MapDelete(Root, DropAsync).Describe(Says("Remove what waits, and dead letters, for good").Answer(200, "How many", json.AsyncCountView));
    }

    private static ApiDescription Says(string summary) => new ApiDescription("Stint", summary)
        .Asks("function", "Only this function's").Asks("id", "Only of this call, or delivery").Asks("state", "dead or waiting")
        .Answer(400, "The query is wrong, or says nothing", ManagementJson.Default.ErrorBodyView).Answer(503, "There is no store", ManagementJson.Default.ErrorBodyView);

    private Task ListAsync(HttpContext context) => AnswerAsync(context, ManagementJson.Default.AsyncListView, needsChoice: false, async (store, filter) =>
    {
        var limit = int.TryParse(context.Request.Query["limit"], NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? Math.Clamp(asked, 1, MaxLimit) : UsualLimit;
        var entries = await store.ListAsync(filter, limit + 1).ConfigureAwait(false);
        return new AsyncListView([.. entries.Take(limit).Select(View)], entries.Count > limit);
    });

    private Task ShowAsync(HttpContext context) => AnswerAsync(context, ManagementJson.Default.AsyncDetailsView, needsChoice: true, async (store, filter) =>
    {
        var details = new List<AsyncDetailView>();
        foreach (var view in await store.ListAsync(filter, UsualLimit).ConfigureAwait(false))
            if (await store.ReadAsync(view.Number).ConfigureAwait(false) is { } entry) details.Add(await DetailAsync(view, entry).ConfigureAwait(false));
        return new AsyncDetailsView(details);
    });

    private Task RetryAsync(HttpContext context) => AnswerAsync(context, ManagementJson.Default.AsyncCountView, needsChoice: true, async (_, filter) =>
        new AsyncCountView(await platform.Deliveries.RetryAsync(filter).ConfigureAwait(false)));

    private Task DropAsync(HttpContext context) => AnswerAsync(context, ManagementJson.Default.AsyncCountView, needsChoice: true, async (store, filter) =>
        new AsyncCountView(await store.DropAsync(filter).ConfigureAwait(false)));

    private async Task AnswerAsync<T>(HttpContext context, JsonTypeInfo<T> type, bool needsChoice, Func<IEntryStore, EntryFilter, Task<T>> answer)
    {
        var (filter, problem) = ReadFilter(context.Request.Query);
        if (problem is null && needsChoice && filter == new EntryFilter()) problem = "say which are meant: id=ID, function=NAME, or state=dead for all dead letters";
        if (problem is not null)
        {
            await ManagementError.WriteAsync(context, StatusCodes.Status400BadRequest, "bad-request", problem).ConfigureAwait(false);
            return;
        }
        try
        {
            if (platform.Deliveries.Slot.Store is not { } store) throw new StoreException(platform.Deliveries.Slot.Problem ?? "");
            var view = await answer(store, filter).ConfigureAwait(false);
            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(view, type)).ConfigureAwait(false);
        }
        catch (StoreException failure)
        {
            await ManagementError.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "host-lacks", failure.Message).ConfigureAwait(false);
        }
    }

    private static (EntryFilter Filter, string? Problem) ReadFilter(IQueryCollection query)
    {
        FunctionName? function = null;
        if (query["function"] is [{ Length: > 0 } text, ..])
        {
            if (!FunctionName.TryParse(text, out var name)) return (new EntryFilter(), $"'function' is not a function's name: {FunctionName.Rule}");
            function = name;
        }
        var id = query["id"] is [{ Length: > 0 } some, ..] ? some : null;
        return query["state"].ToString() switch
        {
            "" => (new EntryFilter(function, id), null),
            "dead" => (new EntryFilter(function, id, IsDead: true), null),
            "waiting" => (new EntryFilter(function, id, IsDead: false), null),
            _ => (new EntryFilter(), "'state' is dead or waiting"),
        };
    }

    private static AsyncEntryView View(EntryView view) => new()
    {
        Id = view.Id,
        CallId = view.CallId,
        Kind = view.Kind,
        Function = view.Function.ToString(),
        State = view.IsDead ? "dead" : view.IsRunning ? "running" : "waiting",
        Accepted = view.Accepted,
        Due = view.IsDead || view.IsRunning ? null : view.Due,
        Died = view.Ended,
        Attempts = view.Attempts,
        Status = view.Status,
        Reason = view.Reason,
        Bytes = view.Length,
    };

    private async Task<AsyncDetailView> DetailAsync(EntryView view, Entry entry)
    {
        var body = entry.File is null ? entry.Body[..Math.Min(entry.Body.Length, ShownBody)].ToArray() : await ReadBodyAsync(entry.File).ConfigureAwait(false);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        try
        {
            if (!entry.IsCall)
            {
                var delivery = JsonSerializer.Deserialize(entry.Head, HeadJson.Default.DeliveryHead)!;
                headers["target"] = delivery.Target;
                headers["status"] = delivery.Status.ToString(CultureInfo.InvariantCulture);
                if (delivery.ContentType is { } type) headers["Content-Type"] = type;
                return new AsyncDetailView { Entry = View(view), Headers = headers, Body = body };
            }
            var call = JsonSerializer.Deserialize(entry.Head, HeadJson.Default.CallHead)!;
            for (var i = 0; i + 1 < call.Headers.Count; i += 2) headers[call.Headers[i]] = call.Headers[i + 1];
            return new AsyncDetailView { Entry = View(view), Method = call.Method, Target = call.Query.Length == 0 ? call.Path : $"{call.Path}?{call.Query}", Headers = headers, Body = body };
        }
        catch (JsonException)
        {
            return new AsyncDetailView { Entry = View(view), Headers = headers, Body = body };
        }
    }

    private async Task<byte[]> ReadBodyAsync(string name)
    {
        try
        {
            await using var file = await platform.Deliveries.Slot.Bodies.OpenAsync(name).ConfigureAwait(false);
            var bytes = new byte[Math.Min(file.Length, ShownBody)];
            await file.ReadExactlyAsync(bytes).ConfigureAwait(false);
            return bytes;
        }
        catch (IOException failure) when (failure is not StoreException)
        {
            return []; // it was done meanwhile
        }
    }
}
