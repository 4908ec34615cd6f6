using Stint.Backends.Processes.Spawning;
using Stint.Functions;

namespace Stint.Backends.Containers.Images;

/// <summary>A small Debian with an interpreter, by debootstrap(8).</summary>
/// <param name="Suite">The release; null = this host's, else <c>stable</c>.</param>
/// <param name="Mirror">Where the packages come from; null = debootstrap's own default.</param>
internal sealed record Debootstrap(string? Suite, string? Mirror)
{
    // apt's cache and documentation are half of it.
    private static readonly string[] Unneeded = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/log"];

    /// <summary>Makes it in an empty folder.</summary>
    /// <exception cref="IOException">It failed; the message has its last lines.</exception>
    public async Task RunAsync(Runtime runtime, string folder, Action<string> onStep, CancellationToken cancellationToken)
    {
        if (Processes.Sandboxing.HostPrograms.Find("debootstrap") is not { } program) throw new IOException("debootstrap is not installed. Install it: apt-get install debootstrap");
        if (Posix.geteuid() != 0) throw new IOException("debootstrap makes device files and other users' files, so it must be run as root: sudo stint image build …");
        var packages = runtime switch
        {
            Runtime.NodeJs => "ca-certificates,nodejs,npm",
            Runtime.Binary => "ca-certificates,python3-minimal,curl,jq",
            _ => "ca-certificates,python3,python3-pip",
        };
        // In a mount namespace of its own: what it mounts into the folder goes with it, however it ends.
        List<string> arguments = ["--mount", "--", program, "--variant=minbase", $"--include={packages}", Suite ?? HostSuite(), folder];
        if (Mirror is { } mirror) arguments.Add(mirror);
        var tail = new Queue<string>();
        var code = await HostCommand.RunAsync("unshare", arguments, line =>
        {
            if (tail.Count == 10) tail.Dequeue();
            tail.Enqueue(line);
            // "I: Retrieving python3 3.11.2-1+b1"
            onStep($"debootstrap: {line.Replace("I: ", "", StringComparison.Ordinal)}");
        }, cancellationToken).ConfigureAwait(false);
        if (code != 0) throw new IOException($"debootstrap ended with {code}; the last lines of its output:\n{string.Join('\n', tail)}");
        foreach (var unneeded in Unneeded)
        {
            if (Directory.Exists(Path.Combine(folder, unneeded))) Directory.Delete(Path.Combine(folder, unneeded), recursive: true);
            Directory.CreateDirectory(Path.Combine(folder, unneeded));
        }
    }

    // os-release(5)
    private static string HostSuite()
    {
        if (!File.Exists("/etc/os-release")) return "stable";
        var values = File.ReadLines("/etc/os-release").Select(static line => line.Split('=', 2)).Where(static pair => pair.Length == 2).ToDictionary(static pair => pair[0], static pair => pair[1].Trim('"'));
        return values.GetValueOrDefault("ID") == "debian" && values.TryGetValue("VERSION_CODENAME", out var name) ? name : "stable";
    }
}
