using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Tests.Settings;

public sealed class SettingsReaderTests
{
    [Fact]
    public void Without_a_mode_the_classic_watchdogs_defaults_hold()
    {
        var settings = Read(out _, ("fprocess", "cat  -u "));
        Assert.Equal(WatchdogMode.Classic, settings.Mode);
        Assert.Equal(["cat", "-u"], settings.Process);
        Assert.Equal((8080, (ushort?)8081), (settings.Port, settings.MetricsPort));
        Assert.Equal(TimeSpan.FromSeconds(30), settings.WriteTimeout);
        Assert.Equal(TimeSpan.Zero, settings.ExecTimeout);
        Assert.True(settings.CombineOutput);
        Assert.True(settings.CgiHeaders);
        Assert.Equal(settings.WriteTimeout, settings.HealthcheckInterval);
    }

    [Fact]
    public void With_a_mode_the_newer_watchdogs_defaults_hold()
    {
        var settings = Read(out _, ("fprocess", "cat"), ("mode", "streaming"));
        Assert.Equal(TimeSpan.FromSeconds(10), settings.ReadTimeout);
        Assert.Equal(TimeSpan.FromSeconds(10), settings.ExecTimeout);
        Assert.False(settings.CombineOutput);
        Assert.Equal("application/octet-stream", settings.DefaultContentType);
    }

    [Fact]
    public void The_newer_name_of_a_variable_wins()
    {
        Assert.Equal(["b"], Read(out _, ("fprocess", "a"), ("function_process", "b")).Process);
        Assert.Equal(new Uri("http://127.0.0.1:2"), Read(out _, ("fprocess", "a"), ("mode", "http"), ("upstream_url", "http://127.0.0.1:1"), ("http_upstream_url", "http://127.0.0.1:2")).Upstream);
    }

    [Fact]
    public void What_cannot_be_used_is_a_warning_and_the_default_holds()
    {
        var settings = Read(out var reader, ("fprocess", "cat"), ("exec_timeout", "soon"), ("max_inflight", "-1"), ("port", "99999"), ("content_type", "a\r\nb: c"));
        Assert.Equal(TimeSpan.Zero, settings.ExecTimeout);
        Assert.Equal(0, settings.MaxInflight);
        Assert.Equal(8080, settings.Port);
        Assert.Null(settings.ContentType);
        Assert.Equal(4, reader.Warnings.Count);
        Assert.Empty(reader.Errors);
    }

    [Theory]
    [InlineData("fprocess", "", "fprocess")]
    [InlineData("mode", "afterburn", "mode=afterburn")]
    [InlineData("mode", "http", "upstream_url")]
    [InlineData("jwt_auth", "true", "jwt_auth")]
    public void What_is_indispensable_is_an_error(string name, string value, string said)
    {
        _ = Read(out var reader, name == "fprocess" ? [] : [("fprocess", "cat"), (name, value)]);
        Assert.Contains(said, Assert.Single(reader.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_variable_has_its_row_in_the_documentation()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "watchdog.md"));
        foreach (var variable in Variable.All)
        {
            var names = variable.Alias is { } alias ? $"`{variable.Name}`, `{alias}`" : $"`{variable.Name}`";
            Assert.Contains($"| {names} | {variable.Default} | {variable.Meaning} |", page, StringComparison.Ordinal);
        }
    }

    private static WatchdogSettings Read(out SettingsReader reader, params (string Name, string Value)[] variables)
    {
        reader = new SettingsReader(name => variables.FirstOrDefault(variable => variable.Name == name).Value);
        return reader.Read();
    }
}
