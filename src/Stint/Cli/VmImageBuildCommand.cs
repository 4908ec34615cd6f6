using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint vm image build DIR</c>: kernel, initramfs, disk and <c>function.toml</c> of a VM function, out of a function's folder. The result can be put into a registry, also of another host.</summary>
internal static class VmImageBuildCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("build", "Make a virtual machine of a function: its folder becomes kernel, initramfs, disk and function.toml, which a registry takes. 'stint deploy --backend vm' makes and deploys one in one go.");
        var folder = new Argument<string>("dir") { Description = "The function's folder, as for 'deploy'." };
        var output = new Option<string>("--out", "-o") { Description = "The folder to write to; made if need be. A function.toml that is there stays.", HelpName = "dir", Required = true };
        var runtime = new Option<string>("--runtime") { Description = "The language: python3, nodejs or binary. Default: the file's, or detected.", HelpName = "name" };
        runtime.AcceptOnlyFromAmong("python3", "nodejs", "binary");
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Show the output of the build of dependencies." };
        command.Arguments.Add(folder);
        foreach (var option in (Option[])[output, runtime, verbose]) command.Options.Add(option);
        var machine = LocalVmImage.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var source = FunctionSource.Read(session.FullPath(parsed.GetRequiredValue(folder)), parsed.GetValue(runtime));
            var toml = new TomlEdit(source.Toml);
            if (parsed.GetValue(runtime) is { } language) toml.Set("process", "runtime", TomlEdit.Quote(language));
            var started = session.Time.GetTimestamp();
            var image = await machine.MakeAsync(session, parsed, toml.ToString(), source.CodeFolder, session.FullPath(parsed.GetRequiredValue(output)), parsed.GetValue(verbose), cancellationToken);
            var size = new[] { image.Kernel, image.Initramfs, image.Disk }.Sum(static file => new FileInfo(file).Length);
            session.Out.WriteLine($"made {parsed.GetRequiredValue(output)}: {Figures.Bytes(size)}, in {Figures.Seconds(session.Time.GetElapsedTime(started).TotalSeconds)}");
            return ExitCode.Done;
        });
        return command;
    }
}
