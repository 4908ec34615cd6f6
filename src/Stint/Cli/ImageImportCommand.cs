using System.CommandLine;
using Stint.Backends.Containers.Images;

namespace Stint.Cli;

/// <summary><c>stint image import</c>: an image of one file system.</summary>
internal static class ImageImportCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("import", "Make an image of a root file system.");
        var archive = new Argument<string>("rootfs") { Description = "A tar archive, also compressed (gzip, bzip2, xz); - = standard input." };
        var name = new Argument<string>("name") { Description = "The image's name." };
        var changes = new Option<string[]>("--change", "-c") { Description = "A line of a Dockerfile that says how to run it, such as 'CMD [\"/bin/server\"]'; may be repeated.", HelpName = "line", AllowMultipleArgumentsPerToken = false };
        command.Arguments.Add(archive);
        command.Arguments.Add(name);
        command.Options.Add(changes);
        var connect = EngineFlag.AddTo(command, session);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var engine = connect(parsed);
            var path = parsed.GetRequiredValue(archive);
            var full = parsed.GetRequiredValue(name);
            var (repository, tag) = ImageName.Split(full);
            string[] lines = [$"LABEL {ImageLabels.Kind}={ImageLabels.Own}", .. parsed.GetValue(changes) ?? []];
            if (path != "-" && !File.Exists(session.FullPath(path))) throw new CliException($"there is no file {path}.");
            var id = await StepDisplay.ShowAsync(session, $"importing {path}", async _ =>
            {
                await using var rootfs = path == "-" ? session.OpenInput() : File.OpenRead(session.FullPath(path));
                return await engine.Images.ImportAsync(rootfs, repository, tag, lines, cancellationToken);
            });
            session.Out.WriteLine($"imported {PrintableText.Line(full)} ({ImageLsCommand.ShortId(id)})");
            return ExitCode.Done;
        });
        return command;
    }
}
