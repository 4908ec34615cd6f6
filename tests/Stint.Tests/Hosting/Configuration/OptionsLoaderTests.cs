using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Stint.Functions;
using Stint.Hosting;
using Stint.Hosting.Configuration;

namespace Stint.Tests.Hosting.Configuration;

public sealed class OptionsLoaderTests
{
    private static readonly Dictionary<string, string> Nothing = [];

    [Fact]
    public void Root_gets_the_paths_of_the_system()
    {
        var options = Load(isRoot: true).Options!;
        Assert.Equal(("/var/lib/stint/functions", "/var/lib/stint/state", "/run/stint", "/var/lib/stint/state/token"),
            (options.Registry, options.State, options.Run, options.TokenFile));
    }

    [Fact]
    public void Others_get_the_paths_of_their_home()
    {
        var options = Load(environment: new() { ["HOME"] = "/home/ada", ["XDG_RUNTIME_DIR"] = "/run/user/7" }).Options!;
        Assert.Equal(("/home/ada/.local/share/stint/functions", "/home/ada/.local/share/stint/state", "/run/user/7/stint"), (options.Registry, options.State, options.Run));
        Assert.Equal("/s/run", Load(new() { ["state"] = "/s" }, new() { ["HOME"] = "/home/ada" }).Options!.Run);
    }

    [Fact]
    public void Without_a_home_the_paths_must_be_given()
    {
        Assert.Contains("--registry", Assert.Single(Load().Problems), StringComparison.Ordinal);
        Assert.Empty(Load(new() { ["registry"] = "/r", ["state"] = "/s" }).Problems);
    }

    [Fact]
    public void Untouched_options_have_the_defaults_of_the_record()
    {
        var options = Load(isRoot: true).Options!;
        var usual = new DaemonOptions { Registry = options.Registry, State = options.State, Run = options.Run, TokenFile = options.TokenFile, StoreKey = options.StoreKey };
        Assert.Equal(usual with { Listen = options.Listen, ManagementListen = options.ManagementListen, ContainerSubnets = options.ContainerSubnets, NodeListen = options.NodeListen }, options);
        Assert.Equal(usual.Listen, options.Listen);
        Assert.Equal(usual.ManagementListen, options.ManagementListen);
        Assert.Equal(usual.ContainerSubnets, options.ContainerSubnets);
        Assert.Equal(usual.NodeListen, options.NodeListen);
    }

    [Fact]
    public void A_flag_beats_the_environment_which_beats_the_file_which_beats_the_default()
    {
        var flags = new Dictionary<string, string> { ["http-port"] = "1" };
        var environment = new Dictionary<string, string> { ["STINT_HTTP_PORT"] = "2", ["STINT_GRPC_PORT"] = "2" };
        var options = Load(flags, environment, "http-port = 3\ngrpc-port = 3\ncoap-port = 3\n", isRoot: true).Options!;
        Assert.Equal((1, 2, 3, 8080), (options.HttpPort, options.GrpcPort, options.CoapPort, options.ManagementPort));
    }

    [Theory]
    [InlineData("HTTP_PORT", "http_PORT")]
    [InlineData("COAP_PORT", "coap_PORT")]
    [InlineData("GRPC_PORT", "grpc_PORT")]
    public void The_variables_of_tinyFaaS_work_in_both_cases_below_our_own(string upper, string lower)
    {
        int Port(Dictionary<string, string> environment) => Load(environment: environment, isRoot: true).Options! is var o && upper[0] == 'H' ? o.HttpPort : upper[0] == 'C' ? o.CoapPort : o.GrpcPort;
        Assert.Equal(-1, Port(new() { [lower] = "-1" }));
        Assert.Equal(5, Port(new() { [lower] = "6", [upper] = "5" }));
        Assert.Equal(4, Port(new() { [lower] = "6", [upper] = "5", [$"STINT_{upper}"] = "4" }));
        Assert.Equal(6, Port(new() { [lower] = "6", [upper] = "", [$"STINT_{upper}"] = "" }));
    }

    [Theory]
    [InlineData("STINT_HTTP_PORT", "abc", "STINT_HTTP_PORT: `http-port` must be an integer from -1 to 65535 (-1 = off, 0 = any free one), not \"abc\"")]
    [InlineData("HTTP_PORT", "65536", "HTTP_PORT: `http-port` must be an integer from -1 to 65535 (-1 = off, 0 = any free one), not 65536")]
    [InlineData("coap_PORT", "-2", "coap_PORT: `coap-port` must be an integer from -1 to 65535 (-1 = off, 0 = any free one), not -2")]
    [InlineData("MGMT_PORT", "-1", "MGMT_PORT: `management-port` must be an integer from 0 to 65535 (0 = any free one), not -1")]
    [InlineData("GRPC_PORT", "99999999999999999999", "GRPC_PORT: `grpc-port` must be an integer from -1 to 65535 (-1 = off, 0 = any free one), not \"99999999999999999999\"")]
    [InlineData("STINT_LISTEN", "1", "STINT_LISTEN: `listen` must be one or more IP addresses (`::` = all of IPv4 and IPv6, `0.0.0.0` = all of IPv4) or \"localhost\", not \"1\"")]
    [InlineData("STINT_INSECURE", "perhaps", "STINT_INSECURE: `insecure` must be true or false, not \"perhaps\"")]
    [InlineData("STINT_ISOLATION", "non", "STINT_ISOLATION: `isolation` must be \"sandbox\" or \"none\", not \"non\"; did you mean \"none\"?")]
    [InlineData("STINT_STATE", "~/x", "STINT_STATE: `state` cannot begin with ~, which only a shell understands; write the whole path")]
    [InlineData("STINT_PYTHON3", "python3.12", "STINT_PYTHON3: `python3` must be a path with at least one `/`, not \"python3.12\"")]
    [InlineData("STINT_CONTAINER_SUBNETS", "10.101.0.0/30", "STINT_CONTAINER_SUBNETS: `container-subnets` must be IPv4 networks such as \"10.101.0.0/16\", each of /8 to /28, in an array or with commas, not \"10.101.0.0/30\"")]
    [InlineData("STINT_CONTAINER_SUBNETS", "fd00::/16", "STINT_CONTAINER_SUBNETS: `container-subnets` must be IPv4 networks such as \"10.101.0.0/16\", each of /8 to /28, in an array or with commas, not \"fd00::/16\"")]
    [InlineData("TF_BACKEND", "dokcer", "TF_BACKEND: `backend` must be \"process\" or \"docker\" or \"swarm\", not \"dokcer\"; did you mean \"docker\"?")]
    [InlineData("STINT_DOCKER_BASE", "python:3", "STINT_DOCKER_BASE: `docker-base` must be a table of images under the names python3, nodejs, binary, not \"python:3\"")]
    [InlineData("STINT_DOCKER_BASE", "ruby=ruby:3", "STINT_DOCKER_BASE: `docker-base` has no runtime `ruby`; there are python3, nodejs, binary")]
    [InlineData("STINT_DOCKER_BASE", "nodejs=", "STINT_DOCKER_BASE: `docker-base` names no image for nodejs; an image is named as in `docker pull`: python:3.12-slim")]
    public void A_variable_that_makes_no_sense_is_named(string variable, string value, string problem)
    {
        var reading = Load(environment: new() { [variable] = value }, isRoot: true);
        Assert.Null(reading.Options);
        Assert.Equal(problem, Assert.Single(reading.Problems));
    }

    [Fact]
    public void All_that_is_wrong_is_reported_at_once()
    {
        var reading = Load(new() { ["htp-port"] = "1", ["max-body"] = "0" }, new() { ["STINT_LOG_LEVEL"] = "loud" }, "htpp-port = 1\nlog-format = \"xml\"\n", isRoot: true);
        Assert.Equal(
            """
            /etc/stint/stint.toml:1:1: unknown key `htpp-port`; did you mean `http-port`?
             1 | htpp-port = 1
               | ^
            /etc/stint/stint.toml:2:14: `log-format` must be "text" or "json", not "xml"
             2 | log-format = "xml"
               |              ^
            STINT_LOG_LEVEL: `log-level` must be "error" or "warn" or "info" or "debug" or "trace", not "loud"
            --htp-port: there is no such flag; did you mean --http-port?
            --max-body: `max-body` must be an integer from 1 to 65536 (MiB), not 0
            """, string.Join('\n', reading.Problems));
    }

    [Fact]
    public void An_unknown_variable_of_ours_is_a_warning()
    {
        var reading = Load(environment: new() { ["STINT_HTPP_PORT"] = "1", ["STINT_CONFIG"] = "/x", ["OTHER"] = "y" }, isRoot: true);
        Assert.NotNull(reading.Options);
        Assert.Equal("STINT_HTPP_PORT is no setting of Stint and has no effect; did you mean STINT_HTTP_PORT?", Assert.Single(reading.Warnings));
    }

    [Fact]
    public void A_switch_needs_no_value() => Assert.True(Load(new() { ["insecure"] = "" }, isRoot: true).Options!.Insecure);

    [Theory]
    [InlineData("127.0.0.1, ::1", "127.0.0.1 ::1")]
    [InlineData("localhost", "127.0.0.1 ::1")]
    [InlineData("::,::", "::")]
    public void Addresses_are_separated_by_commas(string text, string addresses) =>
        Assert.Equal(addresses.Split(' ').Select(IPAddress.Parse), Load(new() { ["listen"] = text }, isRoot: true).Options!.Listen);

    [Fact]
    public void Subnets_are_separated_by_commas() =>
        Assert.Equal([IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.6.0.0/28")], Load(new() { ["container-subnets"] = "10.5.0.0/16, 10.6.0.0/28,10.5.0.0/16" }, isRoot: true).Options!.ContainerSubnets);

    [Fact]
    public void Words_become_values()
    {
        var options = Load(file: "log-level = \"warn\"\nlog-format = \"json\"\nisolation = \"none\"\nmanagement-listen = [\"10.0.0.1\"]\n", isRoot: true).Options!;
        Assert.Equal((LogLevel.Warning, LogFormat.Json, Isolation.None), (options.LogLevel, options.LogFormat, options.Isolation));
        Assert.Equal([IPAddress.Parse("10.0.0.1")], options.ManagementListen);
    }

    [Fact]
    public void The_backend_is_chosen_as_in_tinyFaaS()
    {
        Assert.Equal(RuntimeBackend.Docker, Load(environment: new() { ["TF_BACKEND"] = "docker" }, isRoot: true).Options!.Backend);
        Assert.Equal(RuntimeBackend.Process, Load(environment: new() { ["TF_BACKEND"] = "docker", ["STINT_BACKEND"] = "process" }, isRoot: true).Options!.Backend);
    }

    [Fact]
    public void A_table_gathers_options_that_begin_alike()
    {
        var options = Load(file: "[docker]\nhost = \"unix:///x\"\nbase = { python3 = \"a:1\", binary = \"b\" }\n[http]\nport = 7\n", isRoot: true).Options!;
        Assert.Equal(("unix:///x", 7, "a:1", "b", 2), (options.DockerHost, options.HttpPort, options.DockerBase[Runtime.Python3], options.DockerBase[Runtime.Binary], options.DockerBase.Count));
        var flags = Load(new() { ["docker-base"] = "python3=a:1, binary=b" }, isRoot: true).Options!;
        Assert.Equal(options.DockerBase, flags.DockerBase);
    }

    [Theory]
    [InlineData("docker-host = \"a\"\n[docker]\nhost = \"b\"\n", ":3:1: `docker-host` is given twice, once by itself and once in a table; remove one of them")]
    [InlineData("[docker]\nbsae = 1\n", ":2:1: unknown key `docker-bsae`; did you mean `docker-base`?")]
    [InlineData("[dokcer]\nbase = 1\n", ":1:2: unknown key `dokcer`")]
    public void A_table_that_gathers_wrongly_is_pointed_at(string file, string problem) =>
        Assert.Contains(problem, Assert.Single(Load(file: file, isRoot: true).Problems), StringComparison.Ordinal);

    [Fact]
    public void Relative_paths_of_the_file_are_relative_to_it()
    {
        var options = Load(new() { ["state"] = "here" }, file: "registry = \"functions\"\n", isRoot: true).Options!;
        Assert.Equal("/etc/stint/functions", options.Registry);
        Assert.Equal(Path.GetFullPath("here"), options.State);
        Assert.Equal(Path.GetFullPath("here/token"), options.TokenFile);
    }

    [Fact]
    public void Two_endpoints_cannot_share_a_port()
    {
        Assert.Contains("`http-port` and `management-port` are both 8080", Assert.Single(Load(new() { ["http-port"] = "8080" }, isRoot: true).Problems), StringComparison.Ordinal);
        Assert.Empty(Load(new() { ["http-port"] = "-1", ["grpc-port"] = "-1", ["coap-port"] = "8080" }, isRoot: true).Problems);
        Assert.Empty(Load(new() { ["http-port"] = "0", ["grpc-port"] = "0", ["management-port"] = "0" }, isRoot: true).Problems);
    }

    [Fact]
    public void A_file_that_was_asked_for_must_be_there()
    {
        Assert.Null(OptionsFile.Find(new Dictionary<string, string> { ["config"] = "/nowhere/stint.toml" }, Nothing, isRoot: true, out var problem));
        Assert.StartsWith("--config: /nowhere/stint.toml cannot be read: ", problem, StringComparison.Ordinal);
        Assert.Null(OptionsFile.Find(Nothing, new Dictionary<string, string> { ["STINT_CONFIG"] = "/nowhere/stint.toml" }, isRoot: true, out problem));
        Assert.StartsWith("STINT_CONFIG: ", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_default_file_may_be_missing_and_is_read_when_it_is_there()
    {
        var home = Directory.CreateTempSubdirectory("stint-options-");
        try
        {
            var environment = new Dictionary<string, string> { ["HOME"] = home.FullName };
            Assert.Null(OptionsFile.Find(Nothing, environment, isRoot: false, out var problem));
            Assert.Null(problem);
            var path = OptionsFile.DefaultPath(environment, isRoot: false)!;
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "http-port = 7\n");
            var file = OptionsFile.Find(Nothing, environment, isRoot: false, out _);
            Assert.Equal(7, OptionsLoader.Load(Nothing, environment, file, isRoot: false).Options!.HttpPort);
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }

    [Fact]
    public void The_process_itself_can_be_asked()
    {
        var reading = OptionsLoader.Load(new Dictionary<string, string> { ["config"] = "/nowhere/stint.toml" });
        Assert.Null(reading.Options);
        Assert.StartsWith("--config: ", reading.Problems[0], StringComparison.Ordinal);
    }

    private static OptionsReading Load(Dictionary<string, string>? flags = null, Dictionary<string, string>? environment = null, string? file = null, bool isRoot = false) =>
        OptionsLoader.Load(flags ?? Nothing, environment ?? Nothing, file is null ? null : new OptionsFile("/etc/stint/stint.toml", Encoding.UTF8.GetBytes(file)), isRoot);
}
