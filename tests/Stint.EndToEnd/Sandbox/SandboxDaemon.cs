using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Sandbox;

/// <summary>A daemon with a function that runs whatever Python it is sent, a victim beside it, and one that may use the host's network.</summary>
public class SandboxDaemon : SharedDaemon
{
    internal const string RunsItsInput = """
        def fn(input, headers):
            scope = {}
            exec(input, scope)
            return str(scope.get('result'))
        """;

    /// <summary>Text in the victim's code that nobody else may read.</summary>
    internal const string Secret = "the-secret-of-the-victim";

    /// <inheritdoc/>
    protected override async Task PrepareAsync()
    {
        await Daemon.DeployPythonAsync("attacker", RunsItsInput, "memory = 128\npids = 32\ntmp = 16");
        await Daemon.DeployPythonAsync("networked", RunsItsInput, "network = \"host\"");
        await Daemon.DeployPythonAsync("victim", $"# {Secret}\nsecret = '{Secret}'\ndef fn(input, headers): return 'unharmed'\n", top: "min-instances = 1\nkeepalive = -1");
        await Daemon.CallAsync("victim");
    }

    /// <summary>Runs Python in the attacker's sandbox; what it leaves in <c>result</c>.</summary>
    internal async Task<string> AttackAsync(string python, string function = "attacker")
    {
        var (status, body) = await Daemon.CallAsync(function, python);
        Assert.True(status == 200, $"{status}: {body}");
        return body;
    }
}
