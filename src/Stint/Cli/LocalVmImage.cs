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

/// <summary>Makes a virtual machine of a function's folder, with this host's own interpreter and as the user's own processes: for <c>vm image build</c>, and for <c>deploy --backend vm</c>. Its flags are the same for both.</summary>
internal sealed class LocalVmImage
{
    private readonly Option<string> _hypervisor = new("--hypervisor") { Description = "What its function.toml names: microvm, qemu or firecracker. Default: microvm.", HelpName = "name" };
    private readonly Option<string> _kernel = new("--kernel") { Description = "The guest's kernel. Default: one that is installed on this host, else Debian's for virtual machines, fetched by apt-get.", HelpName = "file" };
    private readonly Option<string> _modules = new("--modules") { Description = "The folder with that kernel's modules. Default: /lib/modules/VERSION.", HelpName = "dir" };

    private LocalVmImage() => _hypervisor.AcceptOnlyFromAmong("microvm", "qemu", "firecracker");

    /// <summary>Declares the flags.</summary>
    public static LocalVmImage AddTo(Command command)
    {
        var image = new LocalVmImage();
        foreach (var option in image.Options) command.Options.Add(option);
        return image;
    }

    private Option<string>[] Options => [_hypervisor, _kernel, _modules];

    /// <summary>A flag that was given; null when none was.</summary>
    public string? FirstGiven(ParseResult parsed) => Options.FirstOrDefault(option => parsed.GetResult(option) is not null)?.Name;

    /// <summary>Makes kernel, initramfs and disk in a folder, and a <c>function.toml</c> if there is none.</summary>
    /// <param name="session">Where.</param>
    /// <param name="parsed">The flags.</param>
    /// <param name="toml">What is to be the function's <c>function.toml</c>, with its <c>[process]</c>.</param>
    /// <param name="codeFolder">The code.</param>
    /// <param name="target">The folder to write to; made if need be.</param>
    /// <param name="verbose">Show the output of the build of dependencies.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CliException">The function is none of python3, nodejs or binary, or cannot be built.</exception>
    public async Task<VmImage> MakeAsync(CliSession session, ParseResult parsed, string toml, string? codeFolder, string target, bool verbose, CancellationToken cancellationToken)
    {
        var reading = FunctionToml.Read(toml);
        var spec = reading.Spec ?? throw new CliException(reading.Render(FunctionToml.FileName), ExitCode.BadConfiguration);
        if (spec.Process is null || codeFolder is null) throw new CliException("only a function of python3, nodejs or binary can be made into a virtual machine: this one's function.toml has no [process]", ExitCode.BadConfiguration);
        if (parsed.GetValue(_modules) is not null && parsed.GetValue(_kernel) is null) throw new CliException("--modules belongs to a --kernel.", ExitCode.Usage);
        try
        {
            Directory.CreateDirectory(target);
            var image = await StepDisplay.ShowAsync(session, "finding a kernel", async onStep =>
                await MakeAsync(session, spec, codeFolder, await FindKernelAsync(session, parsed, onStep, cancellationToken), target, onStep, line => { if (verbose) session.Error.WriteLine(PrintableText.Line(line)); }, cancellationToken));
            var own = Path.Combine(target, FunctionToml.FileName);
            if (File.Exists(own)) session.Error.WriteLine($"{own} was there and stays as it is.");
            else await File.WriteAllTextAsync(own, VmFunctionToml.Write(spec, parsed.GetValue(_hypervisor) ?? "microvm"), cancellationToken);
            return image;
        }
        catch (Exception refused) when (refused is DeploymentException or InstanceStartException)
        {
            throw new CliException(refused.Message);
        }
    }

    private async Task<GuestKernel> FindKernelAsync(CliSession session, ParseResult parsed, Action<string> onStep, CancellationToken cancellationToken) => parsed.GetValue(_kernel) is { } file
        ? GuestKernel.Open(session.FullPath(file), parsed.GetValue(_modules) is { } modules ? session.FullPath(modules) : null)
        : GuestKernel.FindInstalled() ?? await DebianKernel.GetAsync(KernelCache(session), onStep, cancellationToken);

    /// <summary>Builds the dependencies as the daemon does, but without its sandbox: it is the user's own code.</summary>
    private static async Task<VmImage> MakeAsync(CliSession session, FunctionSpec spec, string codeFolder, GuestKernel kernel, string target, Action<string> onStep, Action<string> onLine, CancellationToken cancellationToken)
    {
        var options = OptionsLoader.Load(new Dictionary<string, string>()).Options;
        var state = Path.Combine(target, $".building-{Guid.NewGuid():N}");
        Directory.CreateDirectory(state);
        try
        {
            var interpreters = new RuntimeInterpreters(options?.Python3 ?? HostPrograms.Find("python3"), options?.NodeJs ?? HostPrograms.Find("node"));
            onStep("building the function");
            await using var bundles = new BundleStore(state, new UnsandboxedBuild(session.Time), new Toolchain(interpreters.Python3, interpreters.NodeJs), new BuildOptions(), session.Time, NullLogger<BundleStore>.Instance);
            using var bundle = await bundles.GetOrBuildAsync(spec.Process!, codeFolder, onLine, cancellationToken);
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
