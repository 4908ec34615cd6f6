using Stint.Hosting;
using Stint.Scheduling;

namespace Stint.Dialects.FunLess;

/// <summary>The routes <c>/v1/scripts/app</c>: scheduling scripts.</summary>
internal sealed class FunLessScripts(Platform platform)
{
    private const string Field = "file";

    /// <summary><c>GET</c>: all.</summary>
    public Task ListAsync(HttpContext context) =>
        FunLessAnswer.WriteAsync(context, StatusCodes.Status200OK, new FunLessScriptsAnswer([.. platform.Scripts.List().Select(View)]), FunLessJson.Default.FunLessScriptsAnswer);

    /// <summary><c>POST</c>: one more.</summary>
    public async Task AddAsync(HttpContext context)
    {
        using var form = await FunLessForm.ReadAsync(context, Field, AppScriptReader.MaxLength * 4, "a script may be").ConfigureAwait(false);
        if (form["name"] is not { } given) throw FunLessRefusal.Bad("the field 'name' is missing");
        if (form.File is null) throw FunLessRefusal.Bad($"the field '{Field}' is missing: send the script, in YAML, as a file");
        var name = FunLessName.Check(given, FunLessName.MaxLength);
        var text = await File.ReadAllTextAsync(form.File, context.RequestAborted).ConfigureAwait(false);
        if (AppScriptReader.Read(text, out var problems) is not { } script) throw FunLessRefusal.Bad($"that is no scheduling script: {string.Join("; ", problems)}");
        var added = await platform.Scripts.UpdateAsync(scripts => scripts.TryAdd(name, text, script), context.RequestAborted).ConfigureAwait(false) ?? throw FunLessName.Taken();
        await AnswerAsync(context, StatusCodes.Status201Created, added).ConfigureAwait(false);
    }

    /// <summary><c>GET /{name}</c>.</summary>
    public Task ShowAsync(HttpContext context) => AnswerAsync(context, StatusCodes.Status200OK, platform.Scripts.Find(NameOf(context)) ?? throw Missing());

    /// <summary><c>DELETE /{name}</c>.</summary>
    public async Task RemoveAsync(HttpContext context)
    {
        if (!await platform.Scripts.UpdateAsync(scripts => scripts.TryRemove(NameOf(context)), context.RequestAborted).ConfigureAwait(false)) throw Missing();
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary>The refusal of a script's name that nobody has.</summary>
    public static FunLessRefusal Missing() => FunLessRefusal.Missing("there is no script of that name; GET /v1/scripts/app says which there are");

    private static string NameOf(HttpContext context) => (string?)context.Request.RouteValues["name"] ?? "";

    private static FunLessScript View(StoredScript script) => new(script.Id, script.Name, script.Script);

    private static Task AnswerAsync(HttpContext context, int status, StoredScript script) => FunLessAnswer.WriteAsync(context, status, new FunLessScriptAnswer(View(script)), FunLessJson.Default.FunLessScriptAnswer);
}
