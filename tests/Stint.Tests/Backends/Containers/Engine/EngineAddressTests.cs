using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

public sealed class EngineAddressTests
{
    [Theory]
    [InlineData("unix:///var/run/docker.sock", "unix:///var/run/docker.sock")]
    [InlineData("/tmp/x.sock", "unix:///tmp/x.sock")]
    [InlineData("  /tmp/x.sock ", "unix:///tmp/x.sock")]
    [InlineData("tcp://10.0.0.1:1234", "tcp://10.0.0.1:1234")]
    [InlineData("tcp://10.0.0.1:80/", "tcp://10.0.0.1:80")]
    [InlineData("tcp://engine.example", "tcp://engine.example:2375")]
    [InlineData("http://engine.example", "tcp://engine.example:2375")]
    [InlineData("tcp://[::1]:2375", "tcp://[::1]:2375")]
    public void Addresses_as_people_write_them(string text, string expected) => Assert.Equal(expected, EngineAddress.Parse(text).ToString());

    [Theory]
    [InlineData("", "write it like")]
    [InlineData("docker", "write it like")]
    [InlineData("unix://", "begins with '/'")]
    [InlineData("unix://relative/path", "begins with '/'")]
    [InlineData("ssh://host", "not reached over SSH")]
    [InlineData("npipe:////./pipe/docker_engine", "write it like")]
    [InlineData("tcp://", "write it like")]
    [InlineData("tcp://host:99999", "write it like")]
    [InlineData("tcp://host:1/path", "write it like")]
    [InlineData("tcp://user:secret@host:1", "write it like")]
    [InlineData("fd://", "write it like")]
    [InlineData("https://host", "DOCKER_TLS_VERIFY=1")]
    public void What_is_no_address_is_said_to_be_none(string text, string why)
    {
        var failure = Assert.Throws<FormatException>(() => EngineAddress.Parse(text));
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_s_path_has_the_length_that_the_kernel_allows()
    {
        Assert.Equal(107, EngineAddress.Parse("/" + new string('x', 106)).SocketPath!.Length);
        Assert.Throws<FormatException>(() => EngineAddress.Parse("/" + new string('x', 107)));
    }

    [Fact]
    public void The_option_comes_before_the_environment_and_that_before_what_lies_about()
    {
        var variables = new Dictionary<string, string> { ["DOCKER_HOST"] = "tcp://a:1", ["DOCKER_TLS_VERIFY"] = "1", ["HOME"] = "/home/x" };
        Assert.Equal("unix:///o", EngineAddress.Find("/o", variables.GetValueOrDefault).ToString());
        var named = EngineAddress.Find(null, variables.GetValueOrDefault);
        Assert.Equal(("tcp://a:1", "/home/x/.docker"), (named.ToString(), named.CertificateFolder));
        variables["DOCKER_CERT_PATH"] = "/certs";
        Assert.Equal("/certs", EngineAddress.Find("", variables.GetValueOrDefault).CertificateFolder);
        variables["DOCKER_HOST"] = "nonsense";
        Assert.StartsWith("DOCKER_HOST is 'nonsense'", Assert.Throws<FormatException>(() => EngineAddress.Find(null, variables.GetValueOrDefault)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_user_s_own_engine_is_found_where_there_is_no_other()
    {
        if (File.Exists(EngineAddress.DefaultSocket) || File.Exists("/run/podman/podman.sock")) return; // this host's own comes first
        var own = Directory.CreateTempSubdirectory("stint-test-");
        var variables = new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = own.FullName };
        Assert.Equal(EngineAddress.DefaultSocket, EngineAddress.Find(null, variables.GetValueOrDefault).SocketPath);
        File.WriteAllText(Directory.CreateDirectory(Path.Combine(own.FullName, "podman")) + "/podman.sock", "");
        Assert.Equal(Path.Combine(own.FullName, "podman/podman.sock"), EngineAddress.Find(null, variables.GetValueOrDefault).SocketPath);
        own.Delete(recursive: true);
    }
}
