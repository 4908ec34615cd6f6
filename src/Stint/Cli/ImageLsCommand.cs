using System.CommandLine;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;

namespace Stint.Cli;

/// <summary><c>stint image ls</c>: the images that Stint made.</summary>
internal static class ImageLsCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("ls", "List the images that Stint made: base images, those of the runtimes, your own.");
        var connect = EngineFlag.AddTo(command, session);
        var json = JsonOption.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var engine = connect(parsed);
            var images = (await engine.Images.ListAsync(EngineFilters.Label(ImageLabels.Kind), cancellationToken)).Select(View).OrderBy(image => image.Name, StringComparer.Ordinal).ToList();
            if (parsed.GetValue(json)) CliJson.Write(session, new ImageListView(images), CliJson.Default.ImageListView);
            else Print(session, images);
            return ExitCode.Done;
        });
        return command;
    }

    private static ImageView View(ImageSummary image) => new(
        image.RepoTags is [var name, ..] && name != "<none>:<none>" ? name : null, image.Labels.GetValueOrDefault(ImageLabels.Kind, ""), image.Id, image.Size, DateTimeOffset.FromUnixTimeSeconds(image.Created));

    /// <summary>As Docker shows it: twelve digits.</summary>
    public static string ShortId(string id) => PrintableText.Line(EngineText.Short(id.StartsWith("sha256:", StringComparison.Ordinal) ? id["sha256:".Length..] : id));

    private static void Print(CliSession session, List<ImageView> images)
    {
        if (images.Count == 0)
        {
            session.Out.WriteLine("No images of Stint's. Make one with 'stint image build python3'; 'docker image ls' lists all.");
            return;
        }
        var listing = new Listing("NAME", "KIND", "SIZE", "CREATED", "ID");
        foreach (var image in images) listing.Add(image.Name ?? "-", image.Kind, Figures.Bytes(image.SizeBytes), Figures.Moment(image.Created), ShortId(image.Id));
        listing.Write(session);
    }
}

/// <summary><c>stint image ls --json</c>.</summary>
/// <param name="Images">The images, by name.</param>
internal sealed record ImageListView(IReadOnlyList<ImageView> Images);

/// <summary>One image.</summary>
/// <param name="Name">Name and tag; null when it has none any more.</param>
/// <param name="Kind"><c>base</c>, <c>runtime</c> or <c>own</c>.</param>
/// <param name="Id">The engine's id.</param>
/// <param name="SizeBytes">Bytes, layers that others share included.</param>
/// <param name="Created">When it was made.</param>
internal sealed record ImageView(string? Name, string Kind, string Id, long SizeBytes, DateTimeOffset Created);
