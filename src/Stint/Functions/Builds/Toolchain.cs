using System.Collections.Concurrent;
using System.Diagnostics;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>The interpreters and package tools of this host, looked up when first needed.</summary>
/// <param name="python3">The setting <c>python3</c>; null: /usr/bin/python3, then PATH.</param>
/// <param name="nodeJs">The setting <c>nodejs</c>; null: /usr/bin/node, then PATH.</param>
internal sealed class Toolchain(string? python3 = null, string? nodeJs = null) : IToolchain
{
    private readonly ConcurrentDictionary<string, string> _versions = new();

    /// <inheritdoc/>
    public string Python3 => python3 ?? Find("python3") ?? throw Missing("python3", "install Python dependencies", "apt-get install python3 python3-pip");

    /// <inheritdoc/>
    public string NodeJs => nodeJs ?? Find("node") ?? throw Missing("node", "install Node.js dependencies", "apt-get install nodejs npm");

    /// <summary>npm: the one beside the interpreter, if there is one.</summary>
    /// <exception cref="DeploymentException">There is none.</exception>
    public string Npm
    {
        get
        {
            var sibling = Path.Combine(Path.GetDirectoryName(NodeJs) ?? "/usr/bin", "npm");
            return (File.Exists(sibling) ? sibling : Find("npm")) ?? throw Missing("npm", "install Node.js dependencies", "apt-get install npm");
        }
    }

    /// <inheritdoc/>
    public string NoPip => "this host's python3 has no pip; install it with: apt-get install python3-pip";

    /// <inheritdoc/>
    public Task<string> VersionAsync(Runtime runtime, CancellationToken cancellationToken) => VersionAsync(runtime == Runtime.NodeJs ? NodeJs : Python3, cancellationToken);

    /// <summary>What the interpreter says to <c>--version</c>: dependencies built for one version are not used with another. Asked once for each state of the file.</summary>
    /// <exception cref="DeploymentException">It does not run.</exception>
    public async Task<string> VersionAsync(string interpreter, CancellationToken cancellationToken)
    {
        var target = new FileInfo(interpreter);
        if (!target.Exists) throw new DeploymentException(DeploymentFault.HostLacks, $"there is no interpreter {interpreter}; check the settings python3 and nodejs");
        var key = $"{interpreter}|{target.ResolveLinkTarget(returnFinalTarget: true)?.LastWriteTimeUtc ?? target.LastWriteTimeUtc:O}";
        if (_versions.TryGetValue(key, out var known)) return known;
        try
        {
            using var process = Process.Start(new ProcessStartInfo(interpreter, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var text = await process.StandardOutput.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return _versions[key] = text.Trim();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new DeploymentException(DeploymentFault.HostLacks, $"cannot start {interpreter}: {e.Message}; check the settings python3 and nodejs", e);
        }
    }

    private static string? Find(string name)
    {
        var folders = Environment.GetEnvironmentVariable("PATH")?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return folders.Prepend("/usr/bin").Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    private static DeploymentException Missing(string program, string purpose, string command) =>
        new(DeploymentFault.HostLacks, $"cannot {purpose}: this host has no {program}; install it with: {command}");
}
