using Stint.Dialects.OpenFaas;
using Stint.Functions;
using Stint.Functions.Deployments;
using Stint.Functions.Specification;

namespace Stint.Tests.Dialects.OpenFaas;

/// <summary>A deployment as OpenFaaS's clients send it becomes a <c>function.toml</c> that says the same.</summary>
public sealed class FaasFunctionTests
{
    private static readonly FaasDeployment Least = new() { Service = "f", Image = "registry:5000/f:1" };

    [Fact]
    public void The_least_deployment_has_the_contracts_defaults()
    {
        var spec = Read(Least);
        Assert.Equal((1, 20), (spec.MinInstances, spec.MaxInstances));
        Assert.Equal(new ContainerSpec { Image = "registry:5000/f:1", Port = 8080, Writable = true }, spec.Container);
        Assert.False(spec.Container!.CallsBack);
        Assert.Empty(spec.Env);
    }

    [Fact]
    public void Everything_is_kept()
    {
        var spec = Read(Least with
        {
            EnvProcess = "wc -w", EnvVars = new() { ["A"] = "1 2", ["fprocess"] = "cat", ["max_inflight"] = "3" }, Constraints = ["node == a"], Secrets = ["key", "other.key"],
            Labels = new() { ["com.openfaas.scale.min"] = "2", ["com.openfaas.scale.max"] = "7", ["x"] = "\"y\"\n" }, Annotations = new() { ["topic"] = "a,b" },
            Limits = new("128Mi", "100m"), Requests = new("64Mi", "50m"), ReadOnlyRootFilesystem = true,
        });
        Assert.Equal((2, 7, 3), (spec.MinInstances, spec.MaxInstances, spec.ConcurrentRequests));
        Assert.Equal(new Dictionary<string, string> { ["A"] = "1 2", ["fprocess"] = "wc -w", ["max_inflight"] = "3" }, spec.Env);
        Assert.Equal(["node == a"], spec.Constraints);
        Assert.Equal(["key", "other.key"], spec.Secrets);
        Assert.Equal(("\"y\"\n", "a,b"), (spec.Labels["x"], spec.Annotations["topic"]));
        Assert.Equal((128, 0.1, false), (spec.Container!.MemoryMiB, spec.Container.Cpus, spec.Container.Writable));
        Assert.Equal(("64Mi", "50m"), (spec.Requests["memory"], spec.Requests["cpu"]));
    }

    [Fact]
    public void A_function_that_scales_to_zero_keeps_nothing_and_goes_after_its_time()
    {
        var spec = Read(Least with { Labels = new() { ["com.openfaas.scale.zero"] = "true", ["com.openfaas.scale.zero-duration"] = "1m30s" } });
        Assert.Equal((0, TimeSpan.FromSeconds(90)), (spec.MinInstances, spec.KeepAlive));
        Assert.Equal(TimeSpan.FromMinutes(15), Read(Least with { Labels = new() { ["com.openfaas.scale.zero"] = "true" } }).KeepAlive);
    }

    [Fact]
    public void Labels_for_the_autoscaler_become_keys()
    {
        var spec = Read(Least with { Labels = new() { ["com.openfaas.scale.type"] = "capacity", ["com.openfaas.scale.target"] = "2.5", ["com.openfaas.scale.target-proportion"] = "0.7" } });
        Assert.Equal((ScalingMeasure.Capacity, 2.5, 0.7), (spec.ScaleBy, spec.ScaleTarget, spec.ScaleProportion));
        Assert.Equal((ScalingMeasure.Demand, 50, 0.9), (Read(Least).ScaleBy, Read(Least).ScaleTarget, Read(Least).ScaleProportion));
    }

    [Theory]
    [InlineData("com.openfaas.scale.type", "memory"), InlineData("com.openfaas.scale.target", "0"), InlineData("com.openfaas.scale.target", "many"), InlineData("com.openfaas.scale.target-proportion", "1.5")]
    [InlineData("com.openfaas.scale.min", "-1"), InlineData("com.openfaas.scale.min", "x"), InlineData("com.openfaas.scale.min", "21")]
    [InlineData("com.openfaas.scale.max", "0"), InlineData("com.openfaas.scale.max", "99999"), InlineData("com.openfaas.scale.zero", "yes"), InlineData("com.openfaas.scale.zero-duration", "15 minutes")]
    public void A_label_for_scaling_that_says_nothing_is_refused_with_its_name(string label, string value) =>
        Assert.Contains(label, Refused(Least with { Labels = new() { [label] = value } }), StringComparison.Ordinal);

    [Fact]
    public void What_cannot_be_is_refused_with_what_to_write()
    {
        Assert.Contains("'image' is missing", Refused(Least with { Image = " " }), StringComparison.Ordinal);
        Assert.Contains("128Mi", Refused(Least with { Limits = new("much", null) }), StringComparison.Ordinal);
        Assert.Contains("100m", Refused(Least with { Limits = new(null, "all") }), StringComparison.Ordinal);
        Assert.Contains("a-b", Refused(Least with { EnvVars = new() { ["a-b"] = "" } }), StringComparison.Ordinal);
        Assert.Contains("../up", Refused(Least with { Secrets = ["../up"] }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("128Mi", 128), InlineData("128m", 128), InlineData("1Gi", 1024), InlineData("1g", 1024), InlineData("0.5Gi", 512), InlineData("134217728", 128), InlineData("131072Ki", 128), InlineData("64M", 62), InlineData("100k", 1)]
    public void Memory_is_read_as_Kubernetes_and_Docker_write_it(string text, int mebibytes)
    {
        Assert.True(ResourceAmount.TryMemory(text, out var read));
        Assert.Equal(mebibytes, read);
    }

    [Theory]
    [InlineData("100m", 0.1), InlineData("0.5", 0.5), InlineData("2", 2), InlineData("1500m", 1.5)]
    public void Processors_are_read_in_thousandths_too(string text, double cpus)
    {
        Assert.True(ResourceAmount.TryCpus(text, out var read));
        Assert.Equal(cpus, read, 9);
    }

    [Theory]
    [InlineData(""), InlineData("Mi"), InlineData("-1Mi"), InlineData("1e9999"), InlineData("0"), InlineData("1 Gi"), InlineData("99999999999Ti"), InlineData("NaN"), InlineData("∞")]
    public void What_is_no_amount_is_refused(string text)
    {
        Assert.False(ResourceAmount.TryMemory(text, out _));
        Assert.False(ResourceAmount.TryCpus(text, out _));
    }

    [Theory]
    [InlineData("20", 20), InlineData("20s", 20), InlineData("1m", 60), InlineData("1h30m", 5400), InlineData("1.5s", 1.5), InlineData("250ms", 0.25), InlineData("0", 0)]
    public void Durations_are_Gos_or_seconds(string text, double seconds)
    {
        Assert.True(GoDuration.TryParse(text, out var read));
        Assert.Equal(seconds, read.TotalSeconds, 6);
    }

    [Theory]
    [InlineData(""), InlineData("s"), InlineData("1x"), InlineData("-1s"), InlineData("1s2"), InlineData("1 m"), InlineData("9999999999999999h")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(GoDuration.TryParse(text, out _));

    [Theory]
    [InlineData(0, 20, 5), InlineData(1, 20, 5), InlineData(5, 20, 10), InlineData(10, 20, 15), InlineData(15, 20, 20), InlineData(20, 20, 20), InlineData(1, 3, 3), InlineData(3, 3, 3), InlineData(18, 100, 20), InlineData(50, 100, 50)]
    public void An_alert_makes_five_of_one_and_then_five_more_up_to_twenty(int current, int most, int next) => Assert.Equal(next, FaasAlertRule.Next(current, most));

    [Theory]
    [InlineData(1, 20, 20, 5), InlineData(5, 20, 20, 9), InlineData(18, 20, 20, 20), InlineData(1, 3, 20, 2), InlineData(1, 100, 50, 51), InlineData(51, 100, 50, 100), InlineData(7, 20, 0, 7), InlineData(0, 5, 100, 5)]
    public void With_a_factor_an_alert_adds_that_part_of_the_most_instances(int current, int most, int factor, int next) => Assert.Equal(next, FaasAlertRule.Next(current, most, factor));

    [Theory]
    [InlineData("20", 20), InlineData("0", 0), InlineData("100", 100), InlineData("101", null), InlineData("-1", null), InlineData("half", null)]
    public void A_factor_is_a_percentage(string text, int? read)
    {
        var labels = new Dictionary<string, string> { ["com.openfaas.scale.factor"] = text };
        Assert.Equal(read, FaasScalingLabels.Factor(labels));
        if (read is null) Assert.Contains("com.openfaas.scale.factor must be a percentage", Assert.Throws<DeploymentException>(() => FaasScalingLabels.Read(labels)).Message, StringComparison.Ordinal);
    }

    private static FunctionSpec Read(FaasDeployment deployment)
    {
        var reading = FunctionToml.Read(FaasFunction.Toml(deployment));
        Assert.Empty(reading.Problems);
        return reading.Spec!;
    }

    private static string Refused(FaasDeployment deployment)
    {
        var refusal = Assert.Throws<DeploymentException>(() => FaasFunction.Toml(deployment));
        Assert.Equal(DeploymentFault.BadRequest, refusal.Fault);
        return refusal.Message;
    }
}
