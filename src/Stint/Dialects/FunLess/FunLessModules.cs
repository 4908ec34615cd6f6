using Stint.Functions.Modules;
using Stint.Hosting;
using Stint.Invocations;

namespace Stint.Dialects.FunLess;

/// <summary>The routes <c>/v1/fn</c> and <c>/v1/fn/{mod}</c>: modules.</summary>
internal sealed class FunLessModules(Platform platform)
{
    private const string Form = "{\"module\":{\"name\":\"NAME\"}}";

    private ModuleCatalogue Catalogue => platform.Modules;

    /// <summary><c>GET /v1/fn</c>.</summary>
    public Task ListAsync(HttpContext context) =>
        FunLessAnswer.WriteAsync(context, StatusCodes.Status200OK, new FunLessNamesAnswer([.. Catalogue.List().Select(static name => new FunLessNamed(name))]), FunLessJson.Default.FunLessNamesAnswer);

    /// <summary><c>POST /v1/fn</c>.</summary>
    public async Task AddAsync(HttpContext context)
    {
        var name = await ReadNameAsync(context).ConfigureAwait(false);
        if (!await Catalogue.UpdateAsync(modules => modules.TryMake(name, "{}"u8), context.RequestAborted).ConfigureAwait(false)) throw FunLessName.Taken();
        await AnswerAsync(context, StatusCodes.Status201Created, name).ConfigureAwait(false);
    }

    /// <summary><c>GET /v1/fn/{mod}</c>.</summary>
    public Task ShowAsync(HttpContext context)
    {
        var name = Existing(context);
        var view = new FunLessModule(name, [.. Catalogue.FunctionsOf(name).Select(static function => new FunLessNamed(function.Name))]);
        return FunLessAnswer.WriteAsync(context, StatusCodes.Status200OK, new FunLessModuleAnswer(view), FunLessJson.Default.FunLessModuleAnswer);
    }

    /// <summary><c>PUT /v1/fn/{mod}</c>: another name.</summary>
    public async Task RenameAsync(HttpContext context)
    {
        var old = Existing(context);
        var name = await ReadNameAsync(context).ConfigureAwait(false);
        if (name != old)
        {
            if (old == FunctionName.DefaultModule) throw FunLessRefusal.Invalid("name", "the default module keeps its name");
            if (Catalogue.Exists(name)) throw FunLessName.Taken();
            await Catalogue.RenameAsync(old, name, context.RequestAborted).ConfigureAwait(false);
        }
        await AnswerAsync(context, StatusCodes.Status200OK, name).ConfigureAwait(false);
    }

    /// <summary><c>DELETE /v1/fn/{mod}</c>: with its functions.</summary>
    public async Task RemoveAsync(HttpContext context)
    {
        var name = Existing(context);
        if (name == FunctionName.DefaultModule)
        {
            await FunLessAnswer.WriteAsync(context, StatusCodes.Status400BadRequest, new FunLessPlainFault("Cannot delete default module"), FunLessJson.Default.FunLessPlainFault).ConfigureAwait(false);
            return;
        }
        await Catalogue.RemoveAsync(name, context.RequestAborted).ConfigureAwait(false);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary>The module that a route names.</summary>
    /// <exception cref="FunLessRefusal">There is none of that name.</exception>
    public string Existing(HttpContext context)
    {
        var name = (string?)context.Request.RouteValues["module"];
        return FunctionName.IsValidPart(name) && Catalogue.Exists(name!) ? name! : throw FunLessRefusal.Missing("there is no module of that name; GET /v1/fn says which there are");
    }

    private static async Task<string> ReadNameAsync(HttpContext context)
    {
        var request = await FunLessAnswer.ReadAsync(context, FunLessJson.Default.FunLessModuleRequest, Form).ConfigureAwait(false);
        return FunLessName.Check((request.Module ?? throw FunLessRefusal.Bad($"the body must be {Form}")).Name);
    }

    private static Task AnswerAsync(HttpContext context, int status, string name) => FunLessAnswer.WriteAsync(context, status, new FunLessNameAnswer(new FunLessNamed(name)), FunLessJson.Default.FunLessNameAnswer);
}
