using System.Text;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>The page docs/function-toml.md: introduction, the keys out of their declarations, examples.</summary>
internal static class FunctionTomlReference
{
    /// <summary>The page in Markdown.</summary>
    public static string Render()
    {
        var page = new StringBuilder(Introduction);
        page.Append("\n## Keys of the function\n\nThey stand at the top of the file, before the first `[table]`; `env`, `labels`, `annotations` and `requests` are tables of their own.\n\n");
        AppendTable(page, FunctionTomlKeys.Function);
        page.Append("""

            ## `[[event]]`: what calls the function

            As many as you like, each with a `type`; [events-and-sinks.md](events-and-sinks.md) shows how. With `type = "mqtt"` each message is a call:


            """);
        AppendTable(page, EventKeys.Mqtt);
        page.Append("\nWith `type = \"schedule\"` the clock calls:\n\n");
        AppendTable(page, EventKeys.Schedule);
        page.Append("""

            ## `[[sink]]`: where results go

            The result of every successful call goes to each sink, however often it has to be tried. `type = "couchdb"`:


            """);
        AppendTable(page, SinkKeys.CouchDb);
        page.Append("\n`type = \"webhook\"`:\n\n");
        AppendTable(page, SinkKeys.Webhook);
        page.Append("\n`type = \"mqtt\"`; the broker's keys are those of `[[event]]`, and besides:\n\n");
        AppendTable(page, SinkKeys.Mqtt with { Settings = [.. SinkKeys.Mqtt.Settings.Where(static setting => setting.Name is "topic" or "qos" or "retain")] });
        page.Append("\n`type = \"file\"`, a line of JSON for each result:\n\n");
        AppendTable(page, SinkKeys.File);
        page.Append("\n## `[async]`: asynchronous calls\n\n[async.md](async.md) shows what becomes of them.\n\n");
        AppendTable(page, AsyncKeys.Section);
        page.Append("\n## `[process]`: in the process sandbox\n\nEach instance is a process tree of its own in a sandbox of the host's kernel.\n\n");
        AppendTable(page, FunctionTomlKeys.Process);
        page.Append("""

            ## `[container]`: as containers of an image

            Each instance is a container of a container engine, Docker or Podman; [containers.md](containers.md) shows how. There is no `code` folder: the code is in the image. UniFaaS's files work unchanged.


            """);
        AppendTable(page, FunctionTomlKeys.Container);
        page.Append("""

            ## `[vm]`: as virtual machines

            Each instance is a virtual machine of Firecracker or QEMU; [microvms.md](microvms.md) shows how. Kernel and disk lie beside `function.toml`. UniFaaS's files work unchanged.


            """);
        AppendTable(page, FunctionTomlKeys.Vm);
        page.Append("""

            ## `[wasm]`: not in this version

            A file with it is refused with a message that says so; the daemon's other functions are not concerned.

            """);
        return page.Append(Examples).ToString();
    }

    /// <summary>A Markdown table of a section's keys.</summary>
    public static void AppendTable<TOwner>(StringBuilder page, Section<TOwner> section)
    {
        page.Append("| key | value | default | |\n|---|---|---|---|\n");
        foreach (var setting in section.Settings)
        {
            var usual = setting.Default is "required" ? "**required**" : setting.Default.Contains(' ', StringComparison.Ordinal) || setting.Default is "none" or "empty" ? setting.Default : $"`{setting.Default}`";
            page.Append($"| `{setting.Name}` | {setting.Kind} | {usual} | {setting.Help} |\n");
        }
    }

    private const string Introduction = """
        # function.toml

        <!-- Generated from the keys' declarations in src/Stint/Functions/Specification. After a change run the tests once with BLESS=1. -->

        A function is a folder with a `function.toml`, which says how it runs, and its code. The smallest file that works is

        ```toml
        [process]
        runtime = "python3"
        ```

        or, for a container,

        ```toml
        [container]
        image = "name:tag"
        ```

        or, for a virtual machine,

        ```toml
        [vm]
        kernel = "vmlinux"
        image = "rootfs.ext4"
        ```

        The file is [TOML 1.0](https://toml.io/en/v1.0.0), at most 1 MiB of UTF-8. Every key but these has a default. Durations are in seconds, with or without a
        fraction (`timeout = 2.5`); sizes are in MiB. Exactly one table names the backend that runs the function: `[process]`, `[container]` or `[vm]`.

        A key that Stint does not know is an error, so that a typing error never passes for a default. All problems of a file are reported at once, each with its place:

        ```text
        function.toml:1:1: unknown key `time-out`; did you mean `timeout`?
         1 | time-out = 10
           | ^
        function.toml:3:11: `runtime` must be "python3" or "nodejs" or "binary", not "python"; did you mean "python3"?
         3 | runtime = "python"
           |           ^
        ```

        A file with problems concerns its own function only; `stint ls`, the log and the management API show them.

        """;

    private const string Examples = """

        ## Examples

        An API that must answer fast: two instances always ready, four requests at a time in each, a key for another service.

        ```toml
        concurrent-requests = 4
        min-instances = 2
        max-instances = 16
        keepalive = 600
        timeout = 5

        [env]
        LOG_LEVEL = "info"
        API_KEY = "s3cret"

        [labels]
        team = "sensors"

        [process]
        runtime = "nodejs"
        memory = 128
        network = "host"
        ```

        A job that gets a clean instance for every call, one kept ready ahead of the next call, on half a core:

        ```toml
        single-use = true
        ahead = 1
        timeout = 600
        max-queue = 20
        queue-timeout = 60

        [process]
        runtime = "python3"
        memory = 1024
        cpus = 0.5
        pids = 256
        tmp = 512
        ```

        A shell script that stays once it has been called:

        ```toml
        keepalive = -1
        boot-timeout = 2.5

        [process]
        runtime = "binary"
        memory = 64
        ```

        A web server's image that knows nothing of Stint: it is ready when `/healthz` answers on port 80, and reaches nothing but the host.

        ```toml
        concurrent-requests = 32
        keepalive = 600

        [container]
        image = "shop/web:3"
        port = 80
        health-path = "/healthz"
        network = "internal"
        memory = 256
        cpus = 2
        ```

        UniFaaS's micro-VM: the guest takes its address from the command line, calls back when it serves on port 8080, and shares a read-only disk with its siblings.

        ```toml
        keepalive = 60
        concurrent-requests = 4

        [vm]
        kernel = "vmlinux"
        image = "rootfs.ext4"
        memory = 256
        cmdline = "console=ttyS0 reboot=t panic=-1 ip=%ip::%gateway:%netmask:vm:eth0:off callback=%callback"
        hypervisor = { type = "microvm", acpi = true }
        overlay = 64
        ```

        """;
}
