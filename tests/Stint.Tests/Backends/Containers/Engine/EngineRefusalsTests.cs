using System.Net;
using System.Text;
using System.Text.Json;
using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>Texts of engines that are not on this machine, and what they mean. The real one's are in the end-to-end tests.</summary>
public sealed class EngineRefusalsTests
{
    private static readonly EngineAddress Address = EngineAddress.Parse("/x");
    private static readonly EngineCall Call = new(HttpMethod.Post, "/containers/a/start", "start the container", "a") { NotFound = EngineFault.NoContainer };

    [Theory]
    [InlineData(404, "No such image: a:latest", nameof(EngineFault.NoImage))]
    [InlineData(404, "a: image not known", nameof(EngineFault.NoImage))]
    [InlineData(404, "no such image", nameof(EngineFault.NoImage))]
    [InlineData(500, "unable to find image 'a' locally", nameof(EngineFault.NoImage))]
    [InlineData(404, "No such container: a", nameof(EngineFault.NoContainer))]
    [InlineData(404, "no container with name or ID \"a\" found: no such container", nameof(EngineFault.NoContainer))]
    [InlineData(409, "can not get logs from container which is dead or marked for removal", nameof(EngineFault.NoContainer))]
    [InlineData(400, "Unknown runtime specified runsc", nameof(EngineFault.NoRuntime))]
    [InlineData(400, "unknown or invalid runtime name: runsc", nameof(EngineFault.NoRuntime))]
    [InlineData(400, "failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error (open /run/x/log.json: no such file or directory): fork/exec /usr/bin/runsc: no such file or directory: unknown", nameof(EngineFault.NoRuntime))]
    [InlineData(500, "default OCI runtime \"runsc\" not found: invalid argument", nameof(EngineFault.NoRuntime))]
    [InlineData(403, "Pool overlaps with other one on this address space", nameof(EngineFault.Overlap))]
    [InlineData(403, "invalid pool request: Pool overlaps with other one on this address space", nameof(EngineFault.Overlap))]
    [InlineData(500, "subnet 10.1.0.0/24 is already used on the host or by another config", nameof(EngineFault.Overlap))]
    [InlineData(404, "network a not found", nameof(EngineFault.NoNetwork))]
    [InlineData(404, "unable to find network with name or ID a: network not found", nameof(EngineFault.NoNetwork))]
    [InlineData(403, "network a has active endpoints (name:\"b\" id:\"c\")", nameof(EngineFault.Conflict))]
    [InlineData(500, "creating container storage: the container name \"a\" is already in use by b. You have to remove that container to be able to reuse that name: that name is already in use", nameof(EngineFault.Conflict))]
    [InlineData(500, "network name a already used: network already exists", nameof(EngineFault.Conflict))]
    [InlineData(500, "can only kill running containers. a is in state exited: container state improper", nameof(EngineFault.Conflict))]
    [InlineData(403, "authorization denied by plugin opa: no", nameof(EngineFault.NoPermission))]
    [InlineData(401, "who are you", nameof(EngineFault.NoPermission))]
    [InlineData(403, "something else", nameof(EngineFault.Rejected))]
    [InlineData(400, "bad parameter", nameof(EngineFault.Rejected))]
    [InlineData(404, "page not found", nameof(EngineFault.NoContainer))]
    [InlineData(409, "container a is not running", nameof(EngineFault.Conflict))]
    [InlineData(500, "network plugin: executable file not found in $PATH", nameof(EngineFault.Failed))]
    [InlineData(500, "all predefined address pools have been fully subnetted", nameof(EngineFault.Failed))]
    [InlineData(503, "", nameof(EngineFault.Failed))]
    [InlineData(299, "", nameof(EngineFault.Broken))]
    public void A_refusal_has_its_kind(int status, string message, string fault)
    {
        var body = message.Length == 0 ? [] : Encoding.UTF8.GetBytes($"{{\"message\":\"{JsonEncodedText.Encode(message)}\"}}");
        var failure = EngineRefusals.OfAnswer(Address, Call, (HttpStatusCode)status, body);
        Assert.True(fault == failure.Fault.ToString(), $"{failure.Fault}: {failure.Message}");
        Assert.Equal(message.Length == 0 ? null : message, failure.EngineMessage);
        if (message.Length > 0) Assert.Contains(message, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_body_that_is_not_JSON_leaves_the_status_to_speak()
    {
        var failure = EngineRefusals.OfAnswer(Address, Call, HttpStatusCode.BadGateway, "<html>nginx</html>"u8);
        Assert.Equal("the container engine could not start the container a: status 502", failure.Message);
    }
}
