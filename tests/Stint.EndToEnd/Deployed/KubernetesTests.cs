using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deployed;

/// <summary><c>deploy/kubernetes</c>: against the schemas and types that Kubernetes publishes of its API. There is no cluster here to apply them to.</summary>
public sealed class KubernetesTests : IDisposable
{
    private static readonly string[] Files = [.. Directory.GetFiles(Path.Combine(Programs.Repository, "deploy/kubernetes"), "*.yaml").Order(StringComparer.Ordinal)];

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_manifests_are_what_Kubernetes_understands()
    {
        var objects = (await Tools.NodeAsync("check-kubernetes.mjs", Files)).Good().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            [
                "Namespace stint", "Namespace stint-workers", "ConfigMap stint", "Deployment stint-gateway", "Service stint", "Service stint-management", "Service stint-nodes", "PodDisruptionBudget stint-gateway",
                "ConfigMap stint-worker", "DaemonSet stint-worker",
            ], objects);
    }

    [Theory]
    [InlineData("readinessProbe:", "readynessProbe:", "readynessProbe")]
    [InlineData("replicas: 2", "replicas: two", "replicas")]
    [InlineData("apiVersion: apps/v1", "apiVersion: apps/v1beta9", "apps/v1beta9")]
    public async Task A_manifest_with_a_mistake_is_refused(string right, string wrong, string named)
    {
        var file = Path.Combine(_folder, "wrong.yaml");
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(Files.Single(static path => path.EndsWith("gateways.yaml", StringComparison.Ordinal)))).Replace(right, wrong, StringComparison.Ordinal));
        var refused = await Tools.NodeAsync("check-kubernetes.mjs", file);
        Assert.Equal(1, refused.Code);
        Assert.Contains(named, refused.Error, StringComparison.Ordinal);
    }

    // The rules of the level "restricted" (Kubernetes, Pod Security Standards), which the namespace of the gateways enforces: a pod that breaks one would not be made.
    [Fact]
    public async Task Gateways_are_pods_of_the_restricted_kind() => (await Tools.NodeAsync("check-restricted.mjs", Files.Single(static path => path.EndsWith("gateways.yaml", StringComparison.Ordinal)))).Good();

    [Fact]
    public async Task Pods_that_may_more_are_told_from_restricted_ones()
    {
        var refused = await Tools.NodeAsync("check-restricted.mjs", Files.Single(static path => path.EndsWith("workers.yaml", StringComparison.Ordinal)));
        Assert.Equal(1, refused.Code);
        Assert.Contains("privileged", refused.Error, StringComparison.Ordinal);
        Assert.Contains("hostPath", refused.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2-settings.yaml")]
    [InlineData("4-workers.yaml")]
    public void Settings_in_the_manifests_are_settings_of_the_daemon(string name)
    {
        var lines = File.ReadAllLines(Path.Combine(Programs.Repository, "deploy/kubernetes", name)).SkipWhile(static line => line != "  stint.toml: |").Skip(1).TakeWhile(static line => line.StartsWith("    ", StringComparison.Ordinal) || line.Length == 0);
        var path = Path.Combine(_folder, "stint.toml");
        File.WriteAllText(path, string.Join('\n', lines.Select(static line => line.Trim())));
        var reading = Stint.Hosting.Configuration.OptionsLoader.Load(new Dictionary<string, string> { ["config"] = path });
        Assert.Empty(reading.Problems);
        Assert.Equal(path, reading.File);
        Assert.NotEqual(10, reading.Options!.DrainSeconds);
    }
}
