using System.Collections;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>
/// Runs pip or npm over a work folder. Layout: <c>in/</c> what the tool reads, <c>out/</c> what is kept, <c>home/</c> and <c>tmp/</c> scratch.
/// For npm <c>in</c> and <c>out</c> are one, since npm installs where package.json is.
/// </summary>
internal sealed class PackageTools(IBuildSandbox sandbox, IToolchain tools, BuildOptions options)
{
    /// <summary>What of the daemon's environment reaches the tools: where packages come from. Anything else could tell a package's script about the host.</summary>
    private static readonly string[] PassedPrefixes = ["PIP_", "npm_config_", "NPM_CONFIG_"];
    private static readonly string[] PassedNames =
        ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

    /// <summary>The interpreter's version, part of the identity of what is built.</summary>
    public Task<string> VersionAsync(Runtime runtime, CancellationToken cancellationToken) =>
        tools.VersionAsync(runtime, cancellationToken);

    /// <summary>Installs the dependencies; returns the folder that now holds them.</summary>
    /// <exception cref="BuildFailedException">The tool failed or hit a limit.</exception>
    /// <exception cref="DeploymentException">The tool is missing.</exception>
    public async Task<string> InstallAsync(DependencySet set, string work, Action<string> onLine, CancellationToken cancellationToken)
    {
        foreach (var folder in (string[])["in", "out", "home", "tmp"]) Directory.CreateDirectory(Path.Combine(work, folder));
        var seen = sandbox.SeenAs(work);
        var output = new BuildOutput(onLine);
        switch (set.Runtime)
        {
            case Runtime.Python3:
                // python3 -m pip install --target out -r requirements.txt
                await RunAsync("pip install", set.Runtime, [tools.Python3, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-compile", "--no-cache-dir",
                    "--target", $"{seen}/out", "-r", "requirements.txt"], work, output, cancellationToken);
                // Bundles are read-only, so Python could never keep what it compiles. Hash-based files stay valid when they are copied; sources that do not compile
                // (templates, other versions' syntax) are no reason to fail.
                await RunToolAsync(set.Runtime, [tools.Python3, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", $"{seen}/out"], work, _ => { }, cancellationToken);
                return Path.Combine(work, "out");
            case Runtime.NodeJs:
                string[] scripts = set.AllowScripts ? [] : ["--ignore-scripts"];
                await RunAsync("npm install", set.Runtime, [tools.Npm, "install", "--omit=dev", .. scripts, "--no-audit", "--no-fund", "--no-update-notifier"], work, output, cancellationToken);
                return KeepOnly(Path.Combine(work, "in"), "node_modules", Path.Combine(work, "out"));
            case Runtime.Binary:
            default:
                throw new InvalidOperationException("a binary function has no dependencies");
        }
    }

    private async Task RunAsync(string title, Runtime runtime, string[] arguments, string work, BuildOutput output, CancellationToken cancellationToken)
    {
        var exit = await RunToolAsync(runtime, arguments, work, output.Add, cancellationToken);
        if (exit is { End: BuildEnd.Exited, Code: 0 }) return;
        if (output.EndsAround("No module named pip"))
            throw new DeploymentException(DeploymentFault.HostLacks, $"cannot install Python dependencies: {tools.NoPip}");
        if (output.EndsAround("No space left on device") || output.EndsAround("ENOSPC"))
            throw new DeploymentException(DeploymentFault.HostLacks, output.Explain($"{title} failed: the disk is full; free some space and try again"));
        throw new BuildFailedException(output.Explain(exit.End switch
        {
            BuildEnd.TimedOut => $"{title} took longer than {options.TimeLimit.TotalSeconds:0} s (setting build-timeout)",
            BuildEnd.TooLarge => $"{title} wrote more than {options.SizeLimit >> 20} MiB",
            BuildEnd.Exited => $"{title} failed with exit code {exit.Code}",
        }));
    }

    private Task<BuildExit> RunToolAsync(Runtime runtime, string[] arguments, string work, Action<string> onLine, CancellationToken cancellationToken) =>
        sandbox.RunAsync(new BuildCommand
        {
            Runtime = runtime, Arguments = arguments, WorkFolder = work, StartIn = "in", Environment = EnvironmentFor(sandbox.SeenAs(work), arguments[0]),
            TimeLimit = options.TimeLimit, SizeLimit = options.SizeLimit,
        }, onLine, cancellationToken);

    private static Dictionary<string, string> EnvironmentFor(string seen, string program)
    {
        var environment = new Dictionary<string, string>
        {
            ["LANG"] = "C.UTF-8",
            ["PIP_PROGRESS_BAR"] = "off", ["PIP_ROOT_USER_ACTION"] = "ignore", ["PYTHONDONTWRITEBYTECODE"] = "1", ["npm_config_progress"] = "false",
        };
        // npm is a script that looks for node in the PATH: the one beside it comes first. What is looked for by its name lies where the PATH of its image says.
        if (Path.GetDirectoryName(program) is { Length: > 0 } folder) environment["PATH"] = $"{folder}:/usr/local/bin:/usr/bin:/bin";
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (PassedNames.Contains(name) || PassedPrefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal))) environment[name] = (string)variable.Value!;
        }
        environment["HOME"] = $"{seen}/home";
        environment["TMPDIR"] = $"{seen}/tmp";
        environment["npm_config_cache"] = $"{seen}/home/.npm";
        return environment;
    }

    /// <summary>Moves one subfolder of the tool's folder into the kept one; a tool that had nothing to do made none.</summary>
    private static string KeepOnly(string from, string name, string kept)
    {
        if (Directory.Exists(Path.Combine(from, name))) Directory.Move(Path.Combine(from, name), Path.Combine(kept, name));
        return kept;
    }
}
