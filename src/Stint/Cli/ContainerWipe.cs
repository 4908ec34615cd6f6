using System.Globalization;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;

namespace Stint.Cli;

/// <summary><c>stint wipe --containers</c>: removes from a container engine what daemons made there, whether one runs or not.</summary>
internal static class ContainerWipe
{
    /// <summary>Finds, asks unless <paramref name="yes"/>, removes, and says what.</summary>
    /// <param name="ask">Puts the question; true = go on.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(CliSession session, EngineClient engine, bool yes, bool json, Func<string, CancellationToken, Task<bool>> ask, CancellationToken cancellationToken)
    {
        var objects = new LabelledObjects(engine);
        var found = await objects.FindAsync(cancellationToken);
        if (found.Count > 0 && !yes && !await ask($"Remove {Words(found)} of Stint's from {engine.Address}? A daemon that uses them loses its instances. [y/N] ", cancellationToken)) return ExitCode.Failed;
        var done = new List<WipedObjectView>();
        await objects.RemoveAsync(found, (one, failure) =>
        {
            done.Add(new WipedObjectView(Word(one.Kind), one.Name, one.Id, one.Daemon, failure?.Message));
            if (failure is not null) session.Fail($"{Word(one.Kind)} {one.Name}: {failure.Message}");
            else if (!json) session.Out.WriteLine($"removed {Word(one.Kind)} {PrintableText.Line(one.Name)}");
        }, cancellationToken);
        // A daemon that goes on makes new ones meanwhile.
        var left = await objects.FindAsync(cancellationToken);
        if (json) CliJson.Write(session, new WipedContainersView(engine.Address.ToString(), [.. done.Where(static one => one.Problem is null)], [.. done.Where(static one => one.Problem is not null)], left.Count), CliJson.Default.WipedContainersView);
        else session.Out.WriteLine(found.Count == 0 ? $"nothing of Stint's at {engine.Address}" : $"removed {Words(found.Where(one => done.Exists(view => view.Id == one.Id && view.Problem is null)).ToList())}");
        if (left.Count == 0) return ExitCode.Done;
        session.Fail($"{Words(left)} of Stint's {(left.Count == 1 ? "is" : "are")} still there. If a daemon runs that makes new ones, stop it first, then try again.");
        return ExitCode.Failed;
    }

    private static string Words(IReadOnlyList<LabelledObject> objects)
    {
        var running = objects.Count(static one => one.IsRunning);
        var words = objects.GroupBy(static one => one.Kind).OrderBy(static group => group.Key)
            .Select(group => Figures.Count(group.Count(), Word(group.Key)) + (group.Key is LabelledKind.Container && running > 0 ? string.Create(CultureInfo.InvariantCulture, $" ({running} running)") : "")).ToList();
        return words switch
        {
            [] => "nothing",
            [var only] => only,
            _ => $"{string.Join(", ", words.SkipLast(1))} and {words[^1]}",
        };
    }

    private static string Word(LabelledKind kind) => kind switch
    {
        LabelledKind.Service => "service",
        LabelledKind.Secret => "secret",
        LabelledKind.Container => "container",
        LabelledKind.Network => "network",
        LabelledKind.Image => "image",
        LabelledKind.Volume => "volume",
    };
}

/// <summary><c>stint wipe --containers --json</c>.</summary>
/// <param name="Engine">The engine's address.</param>
/// <param name="Removed">What is gone.</param>
/// <param name="Failed">What could not be removed.</param>
/// <param name="Left">How many objects with Stint's label there are afterwards; not zero = exit code 1.</param>
internal sealed record WipedContainersView(string Engine, IReadOnlyList<WipedObjectView> Removed, IReadOnlyList<WipedObjectView> Failed, int Left);

/// <summary>Something that was to be removed.</summary>
/// <param name="Kind"><c>service</c>, <c>secret</c>, <c>container</c>, <c>network</c>, <c>image</c> or <c>volume</c>.</param>
/// <param name="Name">Its name.</param>
/// <param name="Id">The engine's id.</param>
/// <param name="Daemon">The daemon that made it.</param>
/// <param name="Problem">Why it is still there; null = it is gone.</param>
internal sealed record WipedObjectView(string Kind, string Name, string Id, string Daemon, string? Problem);
