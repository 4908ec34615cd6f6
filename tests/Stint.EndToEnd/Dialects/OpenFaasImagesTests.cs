using System.Text.Json;
using Stint.EndToEnd.Containers;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Containers.Processes;
using Stint.EndToEnd.Fixtures;
using ContainerDaemon = Stint.EndToEnd.Containers.ContainerDaemon;

namespace Stint.EndToEnd.Dialects;

/// <summary>Deployments of images as OpenFaaS's clients make them, on a real engine.</summary>
[Collection(TestEngine.Collection)]
public sealed class OpenFaasImagesTests(TestEngine engine, ContainerDaemon shared) : IClassFixture<ContainerDaemon>, IDisposable
{
    private readonly FaasClient _client = new(shared.Daemon.ManagementPort);

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task A_deployment_is_kept_as_it_was_sent_and_enforced()
    {
        Assert.Equal(201, (await _client.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"s3cret"}""")).Status);
        var sent = JsonDocument.Parse($$"""
            {"service":"whole","image":"{{Guests.Web}}","namespace":"","envProcess":"wc -w","envVars":{"GREETING":"a b"},"constraints":["node.role == worker"],"secrets":["api-key"],
             "labels":{"com.openfaas.scale.min":"2","com.openfaas.scale.max":"3","team":"edge"},"annotations":{"topic":"cron, \"hourly\""},
             "limits":{"memory":"64Mi","cpu":"500m"},"requests":{"memory":"32Mi","cpu":"100m"},"readOnlyRootFilesystem":true}
            """).RootElement;
        Assert.Equal((202, ""), await _client.DeployAsync(sent.GetRawText()));
        await _client.ReadyAsync("whole", 2);

        var status = (await _client.DescribeAsync("whole"))!.Value;
        Assert.Equal(("whole", "openfaas-fn"), (status.GetProperty("name").GetString(), status.GetProperty("namespace").GetString()));
        foreach (var name in new[] { "image", "envProcess", "envVars", "constraints", "secrets", "labels", "annotations", "limits", "requests", "readOnlyRootFilesystem" })
            Assert.True(JsonElement.DeepEquals(sent.GetProperty(name), status.GetProperty(name)), $"{name}: {status.GetProperty(name)}");
        Assert.True(status.GetProperty("usage").TryGetProperty("totalMemoryBytes", out _));
        Assert.Equal("whole", JsonDocument.Parse((await _client.SendAsync("GET", "system/functions")).Body).RootElement.EnumerateArray().Single(static function => function.GetProperty("name").GetString() == "whole").GetProperty("name").GetString());

        const string script = "echo $fprocess/$GREETING; cat /var/openfaas/secrets/api-key; echo; ls /var/openfaas/secrets; touch /var/openfaas/secrets/x 2>/dev/null || echo read-only; touch /x 2>/dev/null || echo no-root";
        const string seen = "wc -w/a b\ns3cret\napi-key\nread-only\nno-root\n";
        Assert.Equal((200, seen), await PostAsync("function/whole/cgi-bin/sh", script));
        // What one dialect deploys, all call.
        Assert.Equal(seen, await shared.ShellAsync("whole", script));
        Assert.Equal((200, "hello\n"), await _client.SendAsync("GET", "invoke/whole/index.html"));
        Assert.Contains("whole\n", (await shared.Daemon.ManageAsync("list")).Body, StringComparison.Ordinal);
        var toml = await File.ReadAllTextAsync(Path.Combine(shared.Daemon.Registry, "_", "whole", "function.toml"));
        Assert.Contains("[annotations]", toml, StringComparison.Ordinal);

        var host = (await shared.Engine.Containers.InspectAsync((await shared.ContainersAsync("whole")).First(static container => container.IsRunning).Id, default)).HostConfig!;
        Assert.Equal(64L << 20, host.Memory);

        Assert.Equal(202, (await _client.SendAsync("DELETE", "system/functions", """{"functionName":"whole","namespace":""}""")).Status);
        Assert.Equal(404, (await _client.SendAsync("DELETE", "system/functions", """{"functionName":"whole"}""")).Status);
        Assert.Equal(404, (await PostAsync("function/whole", "")).Status);
        Assert.Null(await _client.DescribeAsync("whole"));
        await Retry.UntilAsync("the secrets' copies are gone with the containers", () => !Directory.EnumerateFiles(shared.Daemon.Run, "api-key", SearchOption.AllDirectories).Any());
    }

    [Fact]
    public async Task Deploying_again_updates_and_the_last_one_counts()
    {
        string Body(string greeting) => $$"""{"service":"again","image":"{{Guests.Web}}","envVars":{"GREETING":"{{greeting}}"},"limits":null,"labels":null}""";
        foreach (var greeting in new[] { "one", "two" })
        {
            Assert.Equal((202, ""), await _client.DeployAsync(Body(greeting)));
            Assert.Equal((200, greeting + "\n"), await PostAsync("function/again/cgi-bin/sh", "echo $GREETING"));
        }
        Assert.Equal(202, (await _client.SendAsync("POST", "system/functions", Body("three"))).Status);
        Assert.Equal((200, "three\n"), await PostAsync("function/again/cgi-bin/sh", "echo $GREETING; touch /writable"));
    }

    [Fact]
    public async Task An_image_that_is_not_there_says_how_to_bring_it()
    {
        var (status, text) = await _client.DeployAsync("""{"service":"lacks","image":"registry.example/lacks:1"}""");
        Assert.InRange(status, 400, 503);
        Assert.Contains("registry.example/lacks:1", text, StringComparison.Ordinal);
        Assert.Contains("docker pull", text, StringComparison.Ordinal);
        Assert.Null(await _client.DescribeAsync("lacks"));
    }

    [Fact]
    public async Task A_function_that_has_code_sees_its_secrets_in_containers_too()
    {
        await using var daemon = await DockerMode.StartAsync(engine);
        using var client = new FaasClient(daemon.ManagementPort);
        Assert.Equal(201, (await client.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"s3cret"}""")).Status);
        await daemon.DeployPythonAsync("reader", "def fn(input): return open('/var/openfaas/secrets/api-key').read()", top: "secrets = [\"api-key\"]");
        Assert.Equal((200, "s3cret"), await daemon.CallAsync("reader"));
    }

    private async Task<(int Status, string Body)> PostAsync(string path, string body)
    {
        using var answer = await _client.Http.PostAsync(path, new StringContent(body));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
