using System.Text.RegularExpressions;
using Stint.Tests.Functions;

namespace Stint.Tests.Architecture;

/// <summary>Which folder may know which (docs/architecture.md, CONTRIBUTING.md): read from the sources, because reflection does not see what a method's body uses.</summary>
public sealed partial class KnowledgeTests
{
    // Folder → the folders that it may name. Hosting and Cli know all.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Invocations"] = [],
        ["Files"] = [],
        ["Network"] = [],
        ["Telemetry"] = ["Invocations"],
        ["Security"] = ["Files"],
        ["Scheduling"] = ["Files"],
        ["Functions"] = ["Invocations", "Files"],
        ["Backends"] = ["Invocations", "Functions", "Network", "Telemetry", "Hosting"],
        ["Pools"] = ["Invocations", "Functions", "Backends", "Telemetry"],
        ["Routing"] = ["Invocations", "Functions", "Backends", "Pools"],
        ["Scaling"] = ["Invocations", "Functions", "Pools"],
        ["Deliveries"] = ["Invocations", "Telemetry", "Files", "Network"],
        ["Events"] = ["Invocations", "Files", "Functions", "Telemetry", "Deliveries"],
        ["Sinks"] = ["Invocations", "Functions", "Deliveries", "Events"],
        ["Ingress"] = ["Invocations", "Deliveries"],
        ["Management"] = ["Invocations", "Deliveries", "Functions", "Pools", "Telemetry", "Hosting", "Security"],
        ["Dialects"] = ["Invocations", "Files", "Functions", "Management", "Network", "Telemetry", "Hosting", "Ingress", "Scheduling", "Security"],
        ["Checks"] = ["Backends", "Deliveries", "Events", "Hosting", "Network"],
        // Calls between machines are spelt as those from outside, and Kestrel is made as for those.
        ["Cluster"] = ["Invocations", "Files", "Functions", "Telemetry", "Deliveries", "Events", "Ingress", "Scheduling"],
    };

    [Fact]
    public void Folders_know_only_what_their_stage_needs()
    {
        var source = RepositoryFolder.File("src", "Stint");
        var problems = new List<string>();
        foreach (var (folder, allowed) in Allowed)
        {
            foreach (var file in Directory.GetFiles(Path.Combine(source, folder), "*.cs", SearchOption.AllDirectories))
            {
                foreach (Match match in Named().Matches(File.ReadAllText(file)))
                {
                    var named = match.Groups[1].Value;
                    if (named != folder && Directory.Exists(Path.Combine(source, named)) && !allowed.Contains(named))
                        problems.Add($"{Path.GetRelativePath(source, file)} knows {named}");
                }
            }
        }
        Assert.Empty(problems.Distinct());
    }

    [Fact]
    public void Pools_know_no_backend_but_the_seam()
    {
        var pools = RepositoryFolder.File("src", "Stint", "Pools");
        Assert.DoesNotContain(Directory.GetFiles(pools, "*.cs", SearchOption.AllDirectories), static file => File.ReadAllText(file).Contains("Backends.Processes", StringComparison.Ordinal));
    }

    [GeneratedRegex(@"\bStint\.([A-Z][A-Za-z]+)\b")]
    private static partial Regex Named();
}
