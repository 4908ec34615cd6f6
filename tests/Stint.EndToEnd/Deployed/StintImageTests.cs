using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deployed;

/// <summary>The image of Stint itself, made without a registry, run with Docker's command line.</summary>
[Collection(TestEngine.Collection)]
public sealed class StintImageTests(TestEngine engine)
{
    private const string Image = "stint-test/stint:1", Network = "stint-test-deployed";

    // What sandboxes take, without --privileged: namespaces and mounts (SYS_ADMIN, no filter of system calls but functions' own), a /proc of their own, which the kernel refuses while Docker covers parts of it.
    private static readonly string[] Worker =
        ["--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined", "--env", "STINT_NETWORK_DEFAULT=none"];

    [Fact]
    public async Task Stint_makes_an_image_of_itself_which_runs_functions_in_sandboxes_and_without_any_rights()
    {
        var made = (await ImageAsync("build", "stint", "--tag", Image)).Good();
        Assert.StartsWith($"made {Image}: ", made, StringComparison.Ordinal);
        try
        {
            await StintContainer.DockerAsync(engine, "network", "create", Network);
            // As a worker has it: the sandboxes of functions are made of namespaces and mounts.
            await using (var worker = await StintContainer.RunAsync(engine, Network, [.. Worker, Image]))
            {
                await worker.DeployPythonAsync("who", "import os\ndef fn(input): return f'{input} {os.getpid() < 10} {os.path.exists(\"/var/lib/stint/state/token\")}'\n");
                // A process number of its own namespace, and nothing of the daemon's folders.
                Assert.Equal((200, "Ada True False"), await worker.CallAsync("who", "Ada"));
                Assert.Equal(0, await worker.StopAsync());
            }
            // As a gateway that runs in a pod of the restricted kind has it: nobody's user, nothing but its folders, no way to more rights.
            await using var restricted = await StintContainer.RunAsync(engine, Network, "--user", "10001:10001", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only",
                "--tmpfs", "/tmp:mode=1777", "--tmpfs", "/var/lib/stint:mode=0711,uid=10001,gid=10001", "--env", "STINT_ISOLATION=none", Image);
            await restricted.DeployPythonAsync("greet", "def fn(input): return f'Hello, {input}!'\n");
            Assert.Equal((200, "Hello, Bob!"), await restricted.CallAsync("greet", "Bob"));
            Assert.Equal(401, (int)(await restricted.Management.GetAsync("stint/v1/functions")).StatusCode);
            Assert.Equal(0, await restricted.StopAsync());
        }
        finally
        {
            await Programs.RunAsync(["docker", "-H", engine.Address, "network", "rm", Network], "/");
        }
        Assert.Equal($"removed {Image}\n", (await ImageAsync("rm", Image)).Good());
    }

    private Task<Finished> ImageAsync(params string[] arguments) => Programs.RunAsync([.. Programs.Stint, "image", .. arguments, "--docker-host", engine.Address], "/");
}
