using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms.Images;
using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Specification;
using Stint.Hosting;
using Stint.Hosting.Configuration;

namespace Stint.Cli;

/// <summary><c>stint vm image build DIR</c>: kernel, initramfs, disk and <c>function.toml</c> of a VM function, out of a function's folder. The result can be put into a registry, also of another host.</summary>
internal static class VmImageBuildCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("build", "Make a virtual machine of a function: its folder becomes kernel, initramfs, disk and function.toml. To deploy to a daemon of this host, 'stint deploy --backend vm' is shorter.");
        var folder = new Argument<string>("dir") { Description = "The function's folder, as for 'deploy'." };
        var output = new Option<string>("--out", "-o") { Description = "The folder to write to; made if need be. A function.toml that is there stays.", HelpName = "dir", Required = true };
        var runtime = new Option<string>("--runtime") { Description = "The language: python3, nodejs or binary. Default: the file's, or detected.", HelpName = "name" };
        runtime.AcceptOnlyFromAmong("python3", "nodejs", "binary");
        var hypervisor = new Option<string>("--hypervisor") { Description = "What the function.toml names: microvm, qemu or firecracker. Default: microvm.", HelpName = "name", DefaultValueFactory = static _ => "microvm" };
        hypervisor.AcceptOnlyFromAmong("microvm", "qemu", "firecracker");
        var kernel = new Option<string>("--kernel") { Description = "The guest's kernel. Default: one that is installed on this host, else Debian's for virtual machines, fetched by apt-get.", HelpName = "file" };
        var modules = new Option<string>("--modules") { Description = "The folder with that kernel's modules. Default: /lib/modules/VERSION.", HelpName = "dir" };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Show the output of the build of dependencies." };
        command.Arguments.Add(folder);
        foreach (var option in (Option[])[output, runtime, hypervisor, kernel, modules, verbose]) command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var source = FunctionSource.Read(session.FullPath(parsed.GetRequiredValue(folder)), parsed.GetValue(runtime));
            var spec = ReadSpec(source, parsed.GetValue(runtime));
            if (parsed.GetValue(modules) is not null && parsed.GetValue(kernel) is null) throw new CliException("--modules belongs to a --kernel.", ExitCode.Usage);
            var target = session.FullPath(parsed.GetRequiredValue(output));
            var started = session.Time.GetTimestamp();
            VmImage image;
            try
            {
                Directory.CreateDirectory(target);
                image = await StepDisplay.ShowAsync(session, "finding a kernel", async onStep =>
                {
                    var found = parsed.GetValue(kernel) is { } file
                        ? GuestKernel.Open(session.FullPath(file), parsed.GetValue(modules) is { } own ? session.FullPath(own) : null)
                        : GuestKernel.FindInstalled() ?? await DebianKernel.GetAsync(KernelCache(session), onStep, cancellationToken);
                    return await MakeAsync(session, source, spec, found, target, onStep, line => { if (parsed.GetValue(verbose)) session.Error.WriteLine(PrintableText.Line(line)); }, cancellationToken);
                });
            }
            catch (Exception refused) when (refused is DeploymentException or InstanceStartException)
            {
                throw new CliException(refused.Message);
            }
            var toml = Path.Combine(target, FunctionToml.FileName);
            if (File.Exists(toml)) session.Error.WriteLine($"{toml} was there and stays as it is.");
            else await File.WriteAllTextAsync(toml, VmFunctionToml.Write(spec, parsed.GetRequiredValue(hypervisor)), cancellationToken);
            var size = new[] { image.Kernel, image.Initramfs, image.Disk }.Sum(static file => new FileInfo(file).Length);
            session.Out.WriteLine($"made {parsed.GetRequiredValue(output)}: {Figures.Bytes(size)}, in {Figures.Seconds(session.Time.GetElapsedTime(started).TotalSeconds)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static FunctionSpec ReadSpec(FunctionSource source, string? runtime)
    {
        var toml = new TomlEdit(source.Toml);
        if (runtime is not null) toml.Set("process", "runtime", TomlEdit.Quote(runtime));
        var reading = FunctionToml.Read(toml.ToString());
        return reading.Spec switch
        {
            { Process: not null } spec => spec,
            null => throw new CliException(reading.Render(FunctionToml.FileName), ExitCode.BadConfiguration),
            _ => throw new CliException("this is no function of python3, nodejs or binary: its function.toml has no [process]", ExitCode.BadConfiguration),
        };
    }

    /// <summary>Builds the dependencies as the daemon does, but as the user's own process: it is the user's own code.</summary>
    private static async Task<VmImage> MakeAsync(CliSession session, FunctionSource source, FunctionSpec spec, GuestKernel kernel, string target, Action<string> onStep, Action<string> onLine, CancellationToken cancellationToken)
    {
        var options = OptionsLoader.Load(new Dictionary<string, string>()).Options;
        var state = Path.Combine(target, $".building-{Guid.NewGuid():N}");
        Directory.CreateDirectory(state);
        try
        {
            var interpreters = new RuntimeInterpreters(options?.Python3 ?? HostPrograms.Find("python3"), options?.NodeJs ?? HostPrograms.Find("node"));
            onStep("building the function");
            await using var bundles = new BundleStore(state, new UnsandboxedBuild(session.Time), new Toolchain(interpreters.Python3, interpreters.NodeJs), new BuildOptions(), session.Time, NullLogger<BundleStore>.Instance);
            using var bundle = await bundles.GetOrBuildAsync(spec.Process!, source.CodeFolder!, onLine, cancellationToken);
            return await VmImage.MakeAsync(target, kernel, bundle.Folder, spec, interpreters, RuntimeFiles.Unpack(state), onStep, cancellationToken);
        }
        finally
        {
            Directory.Delete(state, recursive: true);
        }
    }

    private static string KernelCache(CliSession session)
    {
        if (Environment.IsPrivilegedProcess) return "/var/cache/stint/kernels";
        // XDG Base Directory Specification
        return Path.Combine(session.Variable("XDG_CACHE_HOME") ?? Path.Combine(session.Variable("HOME") ?? "/tmp", ".cache"), "stint", "kernels");
    }
}
