// POST and PUT of a function: a form with its name, its module (a .wasm file) and, each as JSON in a text, events, sinks and metadata. What the form does not say stays as it is in an update; so do the
// keys of function.toml that FunLess knows nothing of.
using System.Text.Json;
using Stint.Functions;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Functions.Specification;
using Stint.Hosting;
using Stint.Invocations;

namespace Stint.Dialects.FunLess;

/// <summary>The routes <c>/v1/fn/{mod}/{fn}</c>, and <c>POST /v1/fn/{mod}</c>: functions.</summary>
internal sealed class FunLessFunctions(Platform platform, FunLessModules modules)
{
    private const string Field = "code";

    // Between "there is none of that name" and its deployment there must be nobody else's.
    private readonly KeyedGate<FunctionName> _turns = new();
    private readonly FunLessCalls _calls = new(platform);

    /// <summary><c>POST /v1/fn/{mod}</c>: a new function.</summary>
    public async Task AddAsync(HttpContext context)
    {
        var module = modules.Existing(context);
        using var form = await ReadFormAsync(context).ConfigureAwait(false);
        var name = NameIn(module, FunLessName.Check(form["name"]));
        var change = Read(form, new FunctionSpec());
        using var turn = await _turns.EnterAsync(name, context.RequestAborted).ConfigureAwait(false);
        if (platform.Registry.Layout.Locate(name) is not null) throw new FunLessRefusal(StatusCodes.Status409Conflict, $"there is a function {name} already; change it with PUT, or choose another name");
        await DeployAsync(context, name, form, change.Spec).ConfigureAwait(false);
        await platform.Modules.KeepAsync(module, CancellationToken.None).ConfigureAwait(false);
        await AnswerAsync(context, StatusCodes.Status201Created, name, change).ConfigureAwait(false);
    }

    /// <summary><c>PUT /v1/fn/{mod}/{fn}</c>: other code, and maybe another name.</summary>
    public async Task ReplaceAsync(HttpContext context)
    {
        var old = Existing(context, out _);
        using var form = await ReadFormAsync(context).ConfigureAwait(false);
        var name = form["name"] == old.Name ? old : NameIn(old.Module, FunLessName.Check(form["name"]));
        // Always in the same order: two that take each other's names do not wait for each other.
        FunctionName[] names = name == old ? [name] : [.. new[] { name, old }.OrderBy(static one => one.Name, StringComparer.Ordinal)];
        using var first = await _turns.EnterAsync(names[0], context.RequestAborted).ConfigureAwait(false);
        using var second = names.Length > 1 ? await _turns.EnterAsync(names[1], context.RequestAborted).ConfigureAwait(false) : null;
        Existing(context, out var function);
        if (name != old && platform.Registry.Layout.Locate(name) is not null) throw FunLessName.Taken();
        var change = Read(form, function.Spec ?? function.Serving?.Spec ?? new FunctionSpec());
        await DeployAsync(context, name, form, change.Spec).ConfigureAwait(false);
        // Under the new name it serves; whoever calls the old one until this line is still answered.
        if (name != old) await platform.Deployer.RemoveAsync(old, CancellationToken.None).ConfigureAwait(false);
        await AnswerAsync(context, StatusCodes.Status200OK, name, change).ConfigureAwait(false);
    }

    /// <summary><c>GET /v1/fn/{mod}/{fn}</c>.</summary>
    public Task ShowAsync(HttpContext context) =>
        FunLessAnswer.WriteAsync(context, StatusCodes.Status200OK, new FunLessNameAnswer(new FunLessNamed(Existing(context, out _).Name)), FunLessJson.Default.FunLessNameAnswer);

    /// <summary><c>DELETE /v1/fn/{mod}/{fn}</c>.</summary>
    public async Task RemoveAsync(HttpContext context)
    {
        var name = Existing(context, out _);
        // Theirs keeps a module that has lost its last function.
        await platform.Modules.KeepAsync(name.Module, context.RequestAborted).ConfigureAwait(false);
        if (!await platform.Deployer.RemoveAsync(name, context.RequestAborted).ConfigureAwait(false)) throw Missing();
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary><c>POST /v1/fn/{mod}/{fn}</c>: a call.</summary>
    public Task InvokeAsync(HttpContext context)
    {
        var name = Existing(context, out var function);
        return _calls.InvokeAsync(context, name, function.Serving?.Spec ?? function.Spec);
    }

    private static FunctionName NameIn(string module, string name) =>
        FunctionName.TryCreate(module, name, out var result) ? result : throw FunLessRefusal.Invalid("name", "is invalid");

    private static FunLessRefusal Missing() => FunLessRefusal.Missing("there is no function of that name in that module; GET /v1/fn/MODULE says which there are");

    private FunctionName Existing(HttpContext context, out RegisteredFunction function)
    {
        function = null!;
        return FunctionName.TryCreate((string?)context.Request.RouteValues["module"] ?? "", (string?)context.Request.RouteValues["function"] ?? "", out var name)
            && platform.Registry.Snapshot.Functions.TryGetValue(name, out function!) ? name : throw Missing();
    }

    private async Task<FunLessForm> ReadFormAsync(HttpContext context)
    {
        var form = await FunLessForm.ReadAsync(context, Field, platform.Options.MaxUploadMiB * 1024L * 1024L, $"{platform.Options.MaxUploadMiB} MiB (--max-upload)").ConfigureAwait(false);
        try
        {
            if (form["name"] is null) throw FunLessRefusal.Bad("the field 'name' is missing");
            if (form.File is null) throw FunLessRefusal.Bad($"the field '{Field}' is missing: send the function's .wasm file");
            await RequireWasmAsync(form.File, context.RequestAborted).ConfigureAwait(false);
            return form;
        }
        catch
        {
            form.Dispose();
            throw;
        }
    }

    /// <summary>Says at once what is no module at all; what is wrong with a module is found out when it is deployed.</summary>
    private static async Task RequireWasmAsync(string path, CancellationToken cancellationToken)
    {
        var start = new byte[4];
        await using var file = File.OpenRead(path);
        var length = await file.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (start.AsSpan(0, length).SequenceEqual("\0asm"u8)) return;
        throw FunLessRefusal.Bad($"'{Field}' is no WebAssembly module: {(start.AsSpan(0, Math.Min(2, length)).SequenceEqual("PK"u8) ? "it is a zip, and FunLess's API takes the .wasm file itself; other functions are deployed with: stint deploy" : "it does not begin with \\0asm; build the function with: fl fn build")}");
    }

    /// <summary>What a form makes of a specification.</summary>
    private static Change Read(FunLessForm form, FunctionSpec before)
    {
        var spec = before with { Process = null, Container = null, Vm = null, Wasm = (before.Wasm ?? new WasmSpec()) with { File = null } };
        // What was something else may have said what a module cannot have.
        if (before.Wasm is null) spec = spec with { ConcurrentRequests = 1, Secrets = [] };
        IReadOnlyList<FunLessEntry<EventSpec>> events = [];
        IReadOnlyList<FunLessEntry<SinkSpec>> sinks = [];
        if (form["events"] is { } eventsText)
        {
            events = FunLessTriggers.ReadEvents(eventsText, out var problem) ?? throw FunLessRefusal.Bad($"'events' cannot be read: {problem}");
            spec = spec with { Events = [.. events.Select(static entry => entry.Spec).OfType<EventSpec>()] };
        }
        if (form["sinks"] is { } sinksText)
        {
            sinks = FunLessTriggers.ReadSinks(sinksText, out var problem) ?? throw FunLessRefusal.Bad($"'sinks' cannot be read: {problem}");
            spec = spec with { Sinks = [.. sinks.Select(static entry => entry.Spec).OfType<SinkSpec>()] };
        }
        if (form["metadata"] is { } metadata) spec = WithMetadata(spec, metadata);
        return new Change(spec, [.. events.Select(static entry => entry.Error)], [.. sinks.Select(static entry => entry.Error)]);
    }

    private static FunctionSpec WithMetadata(FunctionSpec spec, string text)
    {
        const string form = "'metadata' must be {\"tag\":\"TEXT\",\"capacity\":KILOBYTES}, where both may be left out";
        FunLessMetadata metadata;
        try
        {
            metadata = JsonSerializer.Deserialize(text, FunLessJson.Default.FunLessMetadata) ?? new FunLessMetadata(null, null);
        }
        catch (JsonException)
        {
            throw FunLessRefusal.Bad(form);
        }
        if (metadata.Capacity is < -1 or > int.MaxValue || metadata.Tag?.Contains('\0', StringComparison.Ordinal) == true) throw FunLessRefusal.Bad(form);
        return spec with { Tag = metadata.Tag is { Length: > 0 } tag ? tag : null, CapacityKiB = metadata.Capacity is >= 0 and { } capacity ? (int)capacity : null };
    }

    private async Task DeployAsync(HttpContext context, FunctionName name, FunLessForm form, FunctionSpec spec)
    {
        await using var module = File.OpenRead(form.File!);
        await platform.DeployAsync(name, FunctionToml.Write(spec), new CodeSource.Module(module), static _ => { }, context.RequestAborted, waitForWorkers: form["wait_for_workers"] is not "false").ConfigureAwait(false);
    }

    private static Task AnswerAsync(HttpContext context, int status, FunctionName name, Change change)
    {
        var view = new FunLessFunction(name.Name);
        // As theirs: neither is there when there were none.
        if (change.Events.Count > 0) view = view with { Events = Outcomes(change.Events), EventsMetadata = Tally(change.Events) };
        if (change.Sinks.Count > 0) view = view with { Sinks = Outcomes(change.Sinks), SinksMetadata = Tally(change.Sinks) };
        var failed = change.Events.Concat(change.Sinks).Any(static error => error is not null);
        return FunLessAnswer.WriteAsync(context, failed ? StatusCodes.Status207MultiStatus : status, new FunLessFunctionAnswer(view), FunLessJson.Default.FunLessFunctionAnswer);
    }

    private static IReadOnlyList<FunLessOutcome> Outcomes(IReadOnlyList<string?> errors) => [.. errors.Select(static error => error is null ? new FunLessOutcome("success") : new FunLessOutcome("error", error))];

    private static FunLessTally Tally(IReadOnlyList<string?> errors)
    {
        var failed = errors.Count(static error => error is not null);
        return new FunLessTally(errors.Count - failed, failed, errors.Count);
    }

    /// <param name="Spec">The specification.</param>
    /// <param name="Events">For each event that was asked for why it failed; null = it did not.</param>
    /// <param name="Sinks">The same of sinks.</param>
    private sealed record Change(FunctionSpec Spec, IReadOnlyList<string?> Events, IReadOnlyList<string?> Sinks);
}
