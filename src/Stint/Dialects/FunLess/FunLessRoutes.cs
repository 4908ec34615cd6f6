// FunLess's API (contract funless.md, "API"), under /v1 of the management port and of a port of its own. What every route has in common is here: who may, and how refusals are written.
using Stint.Functions.Deployments;
using Stint.Hosting;
using Stint.Management;
using Stint.Management.OpenApi;
using Stint.Security.Tokens;

namespace Stint.Dialects.FunLess;

/// <summary>The routes under <c>/v1</c>.</summary>
internal sealed class FunLessRoutes(Platform platform, SubjectStore subjects, SubjectAccess access)
{
    /// <summary>What all of them begin with.</summary>
    public const string Root = "/v1";

    private const string Area = "FunLess";

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var modules = new FunLessModules(platform);
        var functions = new FunLessFunctions(platform, modules);
        var scripts = new FunLessScripts(platform);
        var people = new FunLessSubjects(subjects);
        var json = FunLessJson.Default;

        Map(routes, "GET", Root, null, static context => context.Response.WriteAsync("This FunLess Core is up and running! (prod)"),
            new ApiDescription(Area, "Whether it is there").ForEverybody().Answer(200, "It is", "text/plain"));

        Map(routes, "GET", Root + "/admin/subjects", SubjectRights.Everything, people.ListAsync, Says("Subjects and their tokens").Answer(200, "All but the administrator", json.FunLessSubjectsAnswer));
        Map(routes, "POST", Root + "/admin/subjects", SubjectRights.Everything, people.AddAsync, Says("Add a subject").Takes(json.FunLessSubjectRequest)
            .Answer(201, "Added", json.FunLessSubjectAnswer).Answer(422, "The name is none, or taken", json.FunLessInvalid));

        Map(routes, "GET", Root + "/fn", SubjectRights.Functions, modules.ListAsync, Says("Modules").Answer(200, "All", json.FunLessNamesAnswer));
        Map(routes, "POST", Root + "/fn", SubjectRights.Functions, modules.AddAsync, Says("Add a module").Takes(json.FunLessModuleRequest)
            .Answer(201, "Added", json.FunLessNameAnswer).Answer(422, "The name is none, or taken", json.FunLessInvalid));
        Map(routes, "GET", Root + "/fn/{module}", SubjectRights.Functions, modules.ShowAsync, Says("A module and its functions").Answer(200, "It", json.FunLessModuleAnswer).Answer(404, "No such module", json.FunLessFault));
        Map(routes, "PUT", Root + "/fn/{module}", SubjectRights.Functions, modules.RenameAsync, Says("Rename a module, its functions with it").Takes(json.FunLessModuleRequest)
            .Answer(200, "Renamed", json.FunLessNameAnswer).Answer(404, "No such module", json.FunLessFault).Answer(422, "The name is none, or taken", json.FunLessInvalid));
        Map(routes, "DELETE", Root + "/fn/{module}", SubjectRights.Functions, modules.RemoveAsync, Says("Delete a module, its functions with it")
            .Answer(204, "Deleted").Answer(400, "It is the default module", json.FunLessPlainFault).Answer(404, "No such module", json.FunLessFault));

        Map(routes, "POST", Root + "/fn/{module}", SubjectRights.Functions, functions.AddAsync, Function(Says("Create a function"), 201, "Created").Answer(409, "There is one of that name", json.FunLessFault));
        Map(routes, "GET", Root + "/fn/{module}/{function}", SubjectRights.Functions, functions.ShowAsync, Says("A function").Answer(200, "It", json.FunLessNameAnswer).Answer(404, "No such function", json.FunLessFault));
        Map(routes, "PUT", Root + "/fn/{module}/{function}", SubjectRights.Functions, functions.ReplaceAsync, Function(Says("Change a function's code, its name, its events and sinks"), 200, "Changed"));
        Map(routes, "DELETE", Root + "/fn/{module}/{function}", SubjectRights.Functions, functions.RemoveAsync, Says("Delete a function").Answer(204, "Deleted").Answer(404, "No such function", json.FunLessFault));
        Map(routes, "POST", Root + "/fn/{module}/{function}", SubjectRights.Functions, functions.InvokeAsync, Says("Call a function").Takes(json.FunLessCallRequest)
            .Answer(200, "Its result", json.FunLessResultAnswer).Answer(400, "The body is something else", json.FunLessFault).Answer(404, "No such function, or no such script", json.FunLessFault)
            .Answer(422, "The function reported an error", json.FunLessFault).Answer(500, "It failed otherwise", json.FunLessFault).Answer(503, "No worker available", json.FunLessFault));

        Map(routes, "GET", Root + "/scripts/app", SubjectRights.Functions, scripts.ListAsync, Says("Scheduling scripts").Answer(200, "All", json.FunLessScriptsAnswer));
        Map(routes, "POST", Root + "/scripts/app", SubjectRights.Functions, scripts.AddAsync, Says("Add a scheduling script").Takes(new ApiField("name", "Its name"), new ApiField("file", "The script, in YAML", IsFile: true))
            .Answer(201, "Added", json.FunLessScriptAnswer).Answer(400, "A field is missing, or it is no script", json.FunLessFault).Answer(422, "The name is none, or taken", json.FunLessInvalid));
        Map(routes, "GET", Root + "/scripts/app/{name}", SubjectRights.Functions, scripts.ShowAsync, Says("A scheduling script").Answer(200, "It", json.FunLessScriptAnswer).Answer(404, "No such script", json.FunLessFault));
        Map(routes, "DELETE", Root + "/scripts/app/{name}", SubjectRights.Functions, scripts.RemoveAsync, Says("Delete a scheduling script").Answer(204, "Deleted").Answer(404, "No such script", json.FunLessFault));

        // Whatever else there is below: 404 in FunLess's words, for every method.
        routes.Map(Root + "/{**rest}", static context => FunLessAnswer.WriteAsync(context, FunLessRefusal.Missing("there is no such route; docs/funless.md has them all")));
    }

    private static ApiDescription Says(string summary) => new ApiDescription(Area, summary).Answer(401, "The token is missing, wrong or expired, or not an administrator's where one is wanted", FunLessJson.Default.FunLessFault);

    private static ApiDescription Function(ApiDescription description, int status, string done)
    {
        var json = FunLessJson.Default;
        return description.Takes(
                new ApiField("name", "The function's name, in an update its new one"), new ApiField("code", "The .wasm file", IsFile: true), new ApiField("events", "JSON: an array of events", IsRequired: false),
                new ApiField("sinks", "JSON: an array of sinks", IsRequired: false), new ApiField("metadata", "JSON: tag and capacity (KB)", IsRequired: false), new ApiField("wait_for_workers", "Whether the answer waits until all workers of a cluster have it; true", IsRequired: false))
            .Answer(status, done, json.FunLessFunctionAnswer).Answer(207, $"{done}, but not every event or sink", json.FunLessFunctionAnswer).Answer(400, "A field is missing or cannot be read, or the module is refused", json.FunLessFault)
            .Answer(404, "No such module or function", json.FunLessFault).Answer(422, "The name is none, or taken", json.FunLessInvalid);
    }

    private void Map(IEndpointRouteBuilder routes, string method, string path, SubjectRights? wanted, RequestDelegate handle, ApiDescription description) => routes.MapMethods(path, [method], async context =>
    {
        try
        {
            if (wanted is { } rights && access.RightsOf(context.Request.Headers.Authorization) < rights)
            {
                context.Response.Headers.WWWAuthenticate = SubjectAccess.Challenge;
                throw new FunLessRefusal(StatusCodes.Status401Unauthorized, $"send Authorization: Bearer TOKEN with a good token{(rights == SubjectRights.Everything ? " of an administrator" : "")}; those of guest and admin are in the daemon's token file (--funless-token-file), 'stint token' has all");
            }
            await handle(context).ConfigureAwait(false);
        }
        catch (FunLessRefusal refusal)
        {
            await FunLessAnswer.WriteAsync(context, refusal).ConfigureAwait(false);
        }
        catch (DeploymentException failure)
        {
            await FunLessAnswer.WriteAsync(context, new FunLessRefusal(ManagementError.Status(failure.Fault), failure.Message)).ConfigureAwait(false);
        }
        catch (BadHttpRequestException failure)
        {
            await FunLessAnswer.WriteAsync(context, new FunLessRefusal(failure.StatusCode, failure.Message)).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && !context.RequestAborted.IsCancellationRequested)
        {
            var lacks = DeploymentException.FromFileSystem(failure, "store that");
            await FunLessAnswer.WriteAsync(context, new FunLessRefusal(ManagementError.Status(lacks.Fault), lacks.Message)).ConfigureAwait(false);
        }
    }).Describe(description);
}
