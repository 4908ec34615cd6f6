using System.CommandLine;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Functions;
using Stint.Hosting.Configuration;

namespace Stint.Cli;

/// <summary><c>stint image build</c>: a base image for <c>--backend docker</c>, or the image of a folder with a Dockerfile.</summary>
internal static class ImageBuildCommand
{
    private static readonly Dictionary<string, Runtime> Runtimes = Enum.GetValues<Runtime>().ToDictionary(ImageName.WordOf);

    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("build", "Make a base image for --backend docker (python3, nodejs, binary), the image of Stint itself (stint), or the image of a folder with a Dockerfile. What a Dockerfile is FROM must be there: nothing is pulled.");
        var what = new Argument<string>("what") { Description = "python3, nodejs or binary; stint; or a folder (./python3 for a folder of such a name)." };
        var from = new Option<string>("--from") { Description = "What a base image is made of: host (this host's own interpreter and libraries), debootstrap (a small Debian), or an image that the engine has. Default: host.", HelpName = "source" };
        var suite = new Option<string>("--suite") { Description = "With debootstrap: the release. Default: this host's, else stable.", HelpName = "name" };
        var mirror = new Option<string>("--mirror") { Description = "With debootstrap: where the packages come from. Default: debootstrap's own.", HelpName = "url" };
        var tag = new Option<string>("--tag", "-t") { Description = "Name of the image. Default of a base image: the one that 'up' looks for, stint/base-RUNTIME:latest; of Stint's, stint/stint:latest.", HelpName = "name" };
        var file = new Option<string>("--file", "-f") { Description = "The Dockerfile, as a path in the folder. Default: Dockerfile.", HelpName = "path" };
        command.Arguments.Add(what);
        foreach (var option in (Option[])[from, suite, mirror, tag, file]) command.Options.Add(option);
        var connect = EngineFlag.AddTo(command, session);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var engine = connect(parsed);
            var target = parsed.GetRequiredValue(what);
            if (Runtimes.TryGetValue(target, out var runtime))
            {
                if (parsed.GetValue(file) is not null) throw new CliException("--file is for folders; a base image has no Dockerfile.", ExitCode.Usage);
                var debootstrap = new Debootstrap(parsed.GetValue(suite), parsed.GetValue(mirror));
                await MakeBaseAsync(session, engine, runtime, parsed.GetValue(from) ?? "host", debootstrap, parsed.GetValue(tag) ?? ImageName.OfBase(runtime), cancellationToken);
            }
            else if (target == "stint")
            {
                if (new Option[] { from, suite, mirror, file }.FirstOrDefault(option => parsed.GetResult(option) is not null) is { } wrong) throw new CliException($"{wrong.Name} is not for the image of Stint, which is made of this host's own files.", ExitCode.Usage);
                await MakeOwnAsync(session, engine, parsed.GetValue(tag) ?? ImageName.OfProgram, cancellationToken);
            }
            else
            {
                if (new Option[] { from, suite, mirror }.FirstOrDefault(option => parsed.GetResult(option) is not null) is { } wrong) throw new CliException($"{wrong.Name} is for base images (python3, nodejs, binary), not for folders.", ExitCode.Usage);
                await BuildFolderAsync(session, engine, session.FullPath(target), parsed.GetValue(tag), parsed.GetValue(file) ?? Dockerfile.Name, cancellationToken);
            }
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task MakeBaseAsync(CliSession session, EngineClient engine, Runtime runtime, string from, Debootstrap debootstrap, string name, CancellationToken cancellationToken)
    {
        var images = new BaseImages(engine, session.Time);
        var labels = ImageLabels.Of(ImageLabels.Base);
        var started = session.Time.GetTimestamp();
        var image = await StepDisplay.ShowAsync(session, $"making {name}", onStep => from switch
        {
            "host" => images.FromHostAsync(runtime, Interpreter(runtime), name, labels, onStep, cancellationToken),
            "debootstrap" => images.FromDebootstrapAsync(runtime, debootstrap, name, labels, onStep, cancellationToken),
            _ => images.FromImageAsync(runtime, from, name, labels, onStep, cancellationToken),
        });
        session.Out.WriteLine($"made {PrintableText.Line(image.Name)}: {PrintableText.Line(image.Version)}, {Figures.Bytes(image.Size)}, in {Figures.Seconds(session.Time.GetElapsedTime(started).TotalSeconds)}");
        if (image.Name != ImageName.OfBase(runtime))
            session.Out.WriteLine($"Use it: stint up --backend docker --docker-base {ImageName.WordOf(runtime)}={PrintableText.Line(image.Name)}");
    }

    private static async Task MakeOwnAsync(CliSession session, EngineClient engine, string name, CancellationToken cancellationToken)
    {
        var started = session.Time.GetTimestamp();
        var image = await StepDisplay.ShowAsync(session, $"making {name}", onStep => new StintImage(engine, session.Time).MakeAsync(Interpreter(Runtime.Python3), Interpreter(Runtime.NodeJs), name, onStep, cancellationToken));
        session.Out.WriteLine($"made {PrintableText.Line(image.Name)}: {PrintableText.Line(image.Version)}, {Figures.Bytes(image.Size)}, in {Figures.Seconds(session.Time.GetElapsedTime(started).TotalSeconds)}");
        session.Out.WriteLine("How to run it: deploy/README.md");
    }

    // The interpreter that 'up' would use.
    private static string? Interpreter(Runtime runtime)
    {
        var options = OptionsLoader.Load(new Dictionary<string, string>()).Options;
        return runtime == Runtime.NodeJs ? options?.NodeJs : options?.Python3;
    }

    private static async Task BuildFolderAsync(CliSession session, EngineClient engine, string folder, string? name, string file, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder)) throw new CliException($"{folder} is no folder, and none of {string.Join(", ", Runtimes.Keys)}. Name the folder with the Dockerfile.");
        if (name is null) throw new CliException("say the image's name: --tag NAME", ExitCode.Usage);
        if (!File.Exists(Path.Combine(folder, file))) throw new CliException($"{folder} has no {file}. Name another with --file.");
        var context = BuildContext.Open(folder, file, cancellationToken);
        var id = await engine.Images.BuildAsync(context, new BuildSettings { Tags = [name], Dockerfile = file, Labels = ImageLabels.Of(ImageLabels.Own) },
            text => session.Error.Write(PrintableText.Lines(text)), cancellationToken);
        session.Out.WriteLine($"built {PrintableText.Line(name)} ({ImageLsCommand.ShortId(id)})");
    }
}
