using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Stint.Functions.Deployments;
using Stint.Management.OpenApi;
using Stint.Security.Tokens;

namespace Stint.Management;

/// <summary>
/// The routes <c>/stint/v1/tokens</c>: subjects of FunLess's API, for the command line. They want credentials even where the rest of management wants none: a token is good for long after.
/// </summary>
/// <param name="subjects">The subjects.</param>
/// <param name="access">Who may.</param>
/// <param name="renewed">Told that admin or guest has another token.</param>
internal sealed class TokenRoutes(SubjectStore subjects, SubjectAccess access, Action renewed)
{
    private const string Root = "/stint/v1/tokens";
    private const int MaxBody = 4096;

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var json = ManagementJson.Default;
        routes.MapGet(Root, Guarded(ListAsync)).Describe(Says("Who has a token, without the tokens").Answer(200, "All", json.TokenListView));
        routes.MapPost(Root, Guarded(AddAsync)).Describe(Says("Add a subject").Takes(json.TokenRequest).Answer(201, "Its token", json.TokenView).Answer(400, "That is no name", json.ErrorBodyView).Answer(409, "There is one of that name", json.ErrorBodyView));
        routes.MapPost(Root + "/{name}/renew", Guarded(RenewAsync)).Describe(Says("Give a subject another token").Answer(200, "Its token; the one before is good no more", json.TokenView).Answer(404, "No such subject", json.ErrorBodyView));
        routes.MapDelete(Root + "/{name}", Guarded(RemoveAsync)).Describe(Says("Remove a subject; admin and guest get another token instead").Answer(204, "Its token is good no more").Answer(404, "No such subject", json.ErrorBodyView));
    }

    private static ApiDescription Says(string summary) => new ApiDescription("Stint", summary).Answer(401, "Credentials are missing or wrong", ManagementJson.Default.ErrorBodyView);

    private RequestDelegate Guarded(RequestDelegate handle) => async context =>
    {
        if (access.RightsOf(context.Request.Headers.Authorization) != SubjectRights.Everything)
        {
            context.Response.Headers.WWWAuthenticate = SubjectAccess.Challenge;
            await ManagementError.WriteAsync(context, StatusCodes.Status401Unauthorized, "unauthorized", "to manage tokens takes the daemon's token, from its token file (--token-file STATE/token), or that of FunLess's admin, even at the loopback").ConfigureAwait(false);
            return;
        }
        try
        {
            await handle(context).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or DeploymentException && !context.RequestAborted.IsCancellationRequested)
        {
            await ManagementError.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "host-lacks", $"the tokens cannot be kept: {failure.Message}").ConfigureAwait(false);
        }
    };

    private Task ListAsync(HttpContext context) => WriteAsync(context, StatusCodes.Status200OK,
        new TokenListView([.. subjects.List().Select(static subject => new TokenHolderView(subject.Name, subject.IsAdmin, subject.Token.Issued, subject.Token.Expires))]), ManagementJson.Default.TokenListView);

    private async Task AddAsync(HttpContext context)
    {
        var body = new byte[MaxBody];
        var length = await context.Request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, context.RequestAborted).ConfigureAwait(false);
        string? name;
        try
        {
            name = length == MaxBody ? null : JsonSerializer.Deserialize(body.AsSpan(0, length), ManagementJson.Default.TokenRequest)?.Name;
        }
        catch (JsonException)
        {
            name = null;
        }
        if (!IsName(name)) await ManagementError.WriteAsync(context, StatusCodes.Status400BadRequest, "bad-request", "that is no subject's name: it has 1 to 160 characters out of A-Z a-z 0-9 _").ConfigureAwait(false);
        else if (await subjects.UpdateAsync(all => all.TryAdd(name!), context.RequestAborted).ConfigureAwait(false) is { } added) await WriteAsync(context, StatusCodes.Status201Created, View(added), ManagementJson.Default.TokenView).ConfigureAwait(false);
        else await ManagementError.WriteAsync(context, StatusCodes.Status409Conflict, "conflict", $"there is a subject {name} already; a new token for it: stint token renew {name}").ConfigureAwait(false);
    }

    private async Task RenewAsync(HttpContext context)
    {
        if (await subjects.UpdateAsync(all => all.Renew(NameOf(context)), context.RequestAborted).ConfigureAwait(false) is not { } renewedSubject)
        {
            await NotFoundAsync(context).ConfigureAwait(false);
            return;
        }
        TellOf(renewedSubject.Name);
        await WriteAsync(context, StatusCodes.Status200OK, View(renewedSubject), ManagementJson.Default.TokenView).ConfigureAwait(false);
    }

    private async Task RemoveAsync(HttpContext context)
    {
        if (!await subjects.UpdateAsync(all => all.TryRemove(NameOf(context)), context.RequestAborted).ConfigureAwait(false))
        {
            await NotFoundAsync(context).ConfigureAwait(false);
            return;
        }
        TellOf(NameOf(context));
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private void TellOf(string name)
    {
        if (name is SubjectStore.Admin or SubjectStore.Guest) renewed();
    }

    private TokenView View(Subject subject) => new(subject.Name, subjects.TokenOf(subject), subject.Token.Expires);

    private static string NameOf(HttpContext context) => (string?)context.Request.RouteValues["name"] ?? "";

    private static bool IsName(string? name) => name is { Length: > 0 and <= 160 } && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static Task NotFoundAsync(HttpContext context) => ManagementError.WriteAsync(context, StatusCodes.Status404NotFound, "not-found", "there is no subject of that name; 'stint token ls' says which there are");

    private static Task WriteAsync<T>(HttpContext context, int status, T view, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(view, type)).AsTask();
    }
}
