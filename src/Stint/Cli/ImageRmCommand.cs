using System.CommandLine;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;

namespace Stint.Cli;

/// <summary><c>stint image rm</c>: removes images that Stint made.</summary>
internal static class ImageRmCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("rm", "Remove images that Stint made. One that a container needs stays.");
        var names = new Argument<string[]>("name") { Description = "Names or ids.", Arity = ArgumentArity.OneOrMore };
        command.Arguments.Add(names);
        var connect = EngineFlag.AddTo(command, session);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var engine = connect(parsed);
            var exitCode = ExitCode.Done;
            foreach (var name in parsed.GetRequiredValue(names))
            {
                try
                {
                    var image = await engine.Images.InspectAsync(name, cancellationToken);
                    if (image.Config?.Labels.ContainsKey(ImageLabels.Kind) != true) throw new CliException($"{name} was not made by Stint, so it stays. To remove it: docker image rm {name}");
                    await engine.Images.RemoveAsync(name, force: false, cancellationToken);
                    session.Out.WriteLine($"removed {PrintableText.Line(name)}");
                }
                catch (CliException e)
                {
                    // One that stays does not save the others.
                    session.Fail(e.Message);
                    exitCode = ExitCode.Failed;
                }
                catch (EngineException e) when (!e.IsEngineAway)
                {
                    session.Fail(e.Message);
                    exitCode = ExitCode.Failed;
                }
            }
            return exitCode;
        });
        return command;
    }
}
