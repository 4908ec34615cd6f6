using System.Text;

namespace Stint.Hosting.Configuration;

/// <summary>The page docs/configuration.md: introduction, the options out of their declarations, an example.</summary>
internal static class ConfigurationReference
{
    /// <summary>The page in Markdown.</summary>
    public static string Render()
    {
        var page = new StringBuilder(Introduction);
        page.Append("\n## Options\n\n| name | value | default | |\n|---|---|---|---|\n");
        foreach (var option in DaemonOptionTable.All)
        {
            var usual = option.Default.Contains(' ', StringComparison.Ordinal) && option.Default[0] != '[' ? option.Default : $"`{option.Default}`";
            page.Append($"| `{option.Name}` | {option.Kind} | {usual} | {option.Help} |\n");
        }
        page.Append("\n## Variables of tinyFaaS and UniFaaS\n\nThey mean the same as the option beside them and are weaker than its own variable.\n\n| variable | option |\n|---|---|\n");
        foreach (var option in DaemonOptionTable.All)
            foreach (var variable in option.OtherVariables) page.Append($"| `{variable}` | `{option.Name}` |\n");
        return page.Append(Rest).ToString();
    }

    private const string Introduction = """
        # Configuration of the daemon

        <!-- Generated from the options' declarations in src/Stint/Hosting/Configuration. After a change run the tests once with BLESS=1. -->

        Every option has one name in three spellings:

        | where | spelling of `http-port` |
        |---|---|
        | flag of `stint up` | `--http-port 8000` (two have short forms: `-r` is `--registry`, `-l` is `--log-level`) |
        | environment | `STINT_HTTP_PORT=8000` |
        | file | `http-port = 8000`, or `port = 8000` in a table `[http]` |

        A flag beats the environment, the environment beats the file, the file beats the default. An empty variable counts as none. A flag that is true or false may stand
        without a value: `--insecure`. Several addresses are separated by commas in a flag or a variable, and are an array in the file. So are the parts of a table:
        `--docker-base python3=IMAGE,nodejs=IMAGE`.

        The file is [TOML 1.0](https://toml.io/en/v1.0.0) and is looked for at `--config PATH`, else at `STINT_CONFIG`, else, if it is there, at `/etc/stint/stint.toml` (root) or
        `~/.config/stint/stint.toml` (others). Relative paths in it are relative to its own folder, those of flags and variables to the working folder.

        The daemon does not start with a setting that it does not understand: it names all of them at once, with the flag, the variable or the line of the file, and ends with
        exit code 78. Only a `STINT_…` variable that is no option is just a warning.

        """;

    private const string Rest = """

        ## Example

        ```toml
        registry = "/srv/functions"
        listen = ["0.0.0.0", "::1"]
        http-port = 80
        coap-port = -1
        drain-seconds = 30
        memory-budget = 2048
        log-level = "warn"
        log-format = "json"

        [docker]                       # the same as docker-host and docker-base
        host = "unix:///run/docker.sock"
        base = { python3 = "registry.example/python:3.12" }
        ```

        """;
}
