using Stint.EndToEnd.Fixtures;
using Stint.Functions.Specification;

namespace Stint.EndToEnd.Vms;

/// <summary>Images that <c>stint vm image build</c> makes boot on real hypervisors and serve.</summary>
[Collection(VmCollection.Name)]
public sealed class VmImageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-vmimage-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Out => Path.Combine(_folder, "out");

    private Task<Finished> BuildAsync(params string[] arguments) => Programs.RunAsync([.. Programs.Stint, "vm", "image", "build", .. arguments], _folder);

    private string Write(string toml, params (string Path, string Text)[] files)
    {
        var function = Path.Combine(_folder, "function");
        FunctionFiles.Write(function, [("function.toml", toml), .. files.Select(static file => ("code/" + file.Path, file.Text))]);
        return function;
    }

    [Theory]
    [InlineData("hello-python", "microvm", "Hello, World, from Python!\n")]
    [InlineData("hello-node", "pc", "Hello, World, from Node.js!\n")]
    [InlineData("hello-shell", "microvm", "Hello, World, from the shell!\n")]
    public async Task An_example_becomes_a_machine_that_serves(string example, string machine, string answer)
    {
        (await BuildAsync(Path.Combine(Programs.Repository, "examples", example), "-o", Out)).Good();
        await using var guest = new GuestMachine(Out, machine);
        await guest.ReadyAsync();
        Assert.Equal(answer.Trim(), (await (await guest.Http.PostAsync("", new StringContent("World"))).Content.ReadAsStringAsync()).Trim());
    }

    [Fact]
    public async Task A_guest_is_as_closed_as_its_function_says_and_ends_with_it()
    {
        var function = Write("[process]\nruntime = \"python3\"\ntmp = 16\npids = 40\n[env]\nGREETING = \"hé llo\"\n", ("fn.py", """
            import os
            def fn(input):
                if input == "end": os._exit(4)
                facts = [os.getuid(), os.environ["GREETING"], os.getcwd(), os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize >> 20]
                for path in "/fn/x", "/usr/x", "/tmp/x", "/stint/function":
                    try:
                        open(path, "a").close()
                        facts.append("writable")
                    except OSError as e:
                        facts.append(e.strerror)
                return repr(facts)
            """));
        (await BuildAsync(function, "-o", Out)).Good();
        await using var guest = new GuestMachine(Out, "microvm");
        await guest.ReadyAsync();
        Assert.Equal("[1000, 'hé llo', '/fn', 16, 'Read-only file system', 'Permission denied', 'writable', 'Permission denied']".Replace("'Permission denied'", "'Read-only file system'", StringComparison.Ordinal),
            (await guest.Http.GetStringAsync("")).Replace("'Permission denied'", "'Read-only file system'", StringComparison.Ordinal));
        await Assert.ThrowsAnyAsync<HttpRequestException>(async () => (await guest.Http.PostAsync("", new StringContent("end"))).EnsureSuccessStatusCode());
        await guest.EndedAsync();
        Assert.Contains("stint: the function's process ended with code 4", guest.Console, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_files_are_the_same_each_time_and_the_function_toml_is_kept()
    {
        var function = Write("keepalive = 7.5\nconcurrent-requests = 3\nmax-queue = 5\n[labels]\na = \"b\"\n[process]\nruntime = \"binary\"\nmemory = 200\ncpus = 1.5\n", ("fn.sh", "#!/bin/sh\ncat\n"));
        (await BuildAsync(function, "-o", Out, "--hypervisor", "qemu")).Good();
        var toml = await File.ReadAllTextAsync(Path.Combine(Out, "function.toml"));
        foreach (var line in (string[])["keepalive = 7.5", "concurrent-requests = 3", "max-queue = 5", "a = \"b\"", "memory = 200", "cpus = 2", "type = \"qemu\""]) Assert.Contains(line, toml, StringComparison.Ordinal);
        Assert.DoesNotContain("[process]", toml, StringComparison.Ordinal);
        Assert.True(FunctionToml.Read(toml).Spec is { Vm: not null }, FunctionToml.Read(toml).Render("function.toml"));

        await File.WriteAllTextAsync(Path.Combine(Out, "function.toml"), "mine");
        string[] files = ["vmlinux", "initramfs"];
        var before = files.Select(file => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(Path.Combine(Out, file))))).ToArray();
        var listing = await ListAsync();
        Assert.Contains(" fn.sh", listing, StringComparison.Ordinal);
        (await BuildAsync(function, "-o", Out)).Good();
        Assert.Equal(before, files.Select(file => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(Path.Combine(Out, file))))).ToArray());
        Assert.Equal(listing, await ListAsync());
        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(Out, "function.toml")));
        Assert.Equal(["function.ext4", "function.toml", "initramfs", "vmlinux"], Directory.GetFileSystemEntries(Out).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        // Whose, which mode, how large; without inodes and times.
        async Task<string> ListAsync()
        {
            var commands = string.Join('\n', "/", "/fn", "/stint", "/usr/bin", "/usr/lib", "/etc").Split('\n').Select(static folder => $"ls -p {folder}");
            var script = Path.Combine(_folder, "debugfs");
            await File.WriteAllLinesAsync(script, commands);
            var listed = (await Programs.RunAsync(["/usr/sbin/debugfs", "-f", script, Path.Combine(Out, "function.ext4")], _folder)).Good();
            return string.Join('\n', listed.Split('\n').Where(static line => line.StartsWith('/')).Select(static line => line.Split('/')).Select(static p => $"{p[2]} {p[3]} {p[4]} {p[5]} {p[6]}")).Replace("/", " ", StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_cannot_be_built_is_said_and_leaves_nothing()
    {
        var function = Write("[process]\nruntime = \"python3\"\n", ("fn.py", "def fn(input): return 'x'\n"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "nokernel"), "I am no kernel");
        var none = await BuildAsync(function, "-o", Out, "--kernel", "nokernel");
        Assert.Equal(1, none.Code);
        Assert.Contains("nokernel is no Linux kernel for x86-64", none.Error, StringComparison.Ordinal);
        var missing = await BuildAsync(function, "-o", Out, "--kernel", "/nowhere/vmlinuz");
        Assert.Contains("the kernel /nowhere/vmlinuz cannot be read", missing.Error, StringComparison.Ordinal);
        var wrong = await BuildAsync(Path.Combine(Programs.Repository, "docs"), "-o", Out);
        Assert.Equal(78, wrong.Code);
        var modules = await BuildAsync(function, "-o", Out, "--modules", "/lib");
        Assert.Equal(2, modules.Code);
        var stray = await Programs.RunAsync([.. Programs.Stint, "deploy", function, "--kernel", "nokernel"], _folder);
        Assert.Equal((2, true), (stray.Code, stray.Error.Contains("--kernel is for virtual machines: say --backend vm", StringComparison.Ordinal)));
        var container = Path.Combine(_folder, "container");
        FunctionFiles.Write(container, ("function.toml", "[container]\nimage = \"x\"\n"));
        Assert.Contains("has no [process]", (await Programs.RunAsync([.. Programs.Stint, "deploy", container, "--backend", "vm"], _folder)).Error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(function, "code", "fn.py"), "");
        File.Delete(Path.Combine(function, "code", "fn.py"));
        Assert.Contains("fn.py is missing", (await BuildAsync(function, "-o", Out)).Error, StringComparison.Ordinal);
        Assert.Empty(Directory.Exists(Out) ? Directory.GetFileSystemEntries(Out) : []);
    }

    [Fact]
    public async Task A_full_disk_is_said_and_leaves_nothing()
    {
        var function = Write("[process]\nruntime = \"python3\"\n", ("fn.py", "def fn(input): return 'x'\n"));
        Directory.CreateDirectory(Out);
        // In a mount namespace of its own, which takes the mount with it; who is not root becomes it there.
        string[] inside = ["unshare", .. Environment.IsPrivilegedProcess ? Array.Empty<string>() : ["--user", "--map-root-user"], "--mount", "--", "sh", "-c", "mount -t tmpfs -o size=70m small \"$0\" && { \"$@\"; code=$?; ls -A \"$0\" >&2; exit $code; }", Out];
        var full = await Programs.RunAsync([.. inside, .. Programs.Stint, "vm", "image", "build", function, "-o", Out], _folder);
        Assert.Equal(1, full.Code);
        Assert.Contains("is full: the image takes", full.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("vmlinux\n", full.Error, StringComparison.Ordinal);
    }
}
