using FsCheck;
using FsCheck.Fluent;
using Stint.Functions;
using Stint.Functions.Specification;
using Stint.Functions.Toml;

namespace Stint.Tests.Functions.Specification;

public sealed class FunctionTomlTests
{
    private const string Smallest = "[process]\nruntime = \"python3\"\n";

    [Fact]
    public void The_smallest_file_gives_the_defaults()
    {
        var spec = FunctionToml.Read(Smallest).Spec!;
        var usual = new FunctionSpec { Env = spec.Env, Labels = spec.Labels, Process = new ProcessSpec { Runtime = Runtime.Python3 } };
        Assert.Equal(usual, spec);
        Assert.Empty(spec.Env);
    }

    [Fact]
    public void Every_key_arrives()
    {
        var spec = FunctionToml.Read("""
            concurrent-requests = 4
            single-use = true
            keepalive = 1.5
            min-instances = 1
            max-instances = 3
            timeout = 7
            boot-timeout = 0.25
            max-queue = 0
            queue-timeout = 0
            ahead = 2
            env = { A = "1", _b2 = "x y" }
            [labels]
            "a label" = "ü"
            [process]
            runtime = "nodejs"
            memory = 512
            cpus = 1
            pids = 100
            network = "host"
            tmp = 8
            scripts = true
            """).Spec!;
        Assert.Equal(
            new FunctionSpec
            {
                ConcurrentRequests = 4, SingleUse = true, KeepAlive = TimeSpan.FromMilliseconds(1500), MinInstances = 1, MaxInstances = 3, Timeout = TimeSpan.FromSeconds(7),
                BootTimeout = TimeSpan.FromMilliseconds(250), MaxQueue = 0, QueueTimeout = TimeSpan.Zero, Ahead = 2, Env = spec.Env, Labels = spec.Labels,
                Process = new ProcessSpec { Runtime = Runtime.NodeJs, MemoryMiB = 512, Cpus = 1, Pids = 100, Network = NetworkAccess.Host, TmpMiB = 8, AllowInstallScripts = true },
            }, spec);
        Assert.Equal(["A=1", "_b2=x y"], spec.Env.Select(p => $"{p.Key}={p.Value}"));
        Assert.Equal("ü", spec.Labels["a label"]);
    }

    [Fact]
    public void Minus_one_keeps_an_instance_for_ever() =>
        Assert.Equal(Timeout.InfiniteTimeSpan, FunctionToml.Read("keepalive = -1\n" + Smallest).Spec!.KeepAlive);

    [Fact]
    public void All_problems_of_a_file_are_reported_at_once_with_place_and_cure()
    {
        var reading = FunctionToml.Read("""
            timout = 3
            keepalive = "long"
            memory = 512
            min-instances = 5
            max-instances = 2
            [env]
            1A = "x"
            B = 2
            [process]
            runtim = "python3"
            pids = 1
            timeout = 2
            network = "hots"
            """);
        Assert.Null(reading.Spec);
        Assert.Equal(
            """
            line 1, column 1: unknown key `timout`; did you mean `timeout`?
            line 2, column 13: `keepalive` must be a number of seconds from 0 to 2,592,000, or -1 for ever, not "long"
            line 3, column 1: unknown key `memory`; it belongs below [process]
            line 5, column 17: `max-instances` (2) is less than `min-instances` (5); raise the one or lower the other
            line 7, column 1: `env` has a name that no variable can have, `1A`: use A-Z a-z 0-9 _ and no digit first
            line 8, column 5: `env` holds texts only; put the value of `B` in quotes
            line 9, column 2: `runtime` is missing in [process]; it must be "python3" or "nodejs" or "binary"
            line 10, column 1: unknown key `runtim` in [process]; did you mean `runtime`?
            line 11, column 8: `pids` must be an integer from 4 to 32768, not 1
            line 12, column 1: unknown key `timeout` in [process]; it belongs at the top of the file, before the first [table]
            line 13, column 11: `network` must be "outbound" or "none" or "host", not "hots"; did you mean "host"?
            """, string.Join('\n', reading.Problems));
    }

    [Fact]
    public void A_broken_line_does_not_hide_the_other_problems()
    {
        var reading = FunctionToml.Read("timeout = \n[process]\nruntime = python3\nmemry = 1\n");
        Assert.Equal([1, 3, 4], reading.Problems.Select(p => p.Position.Line));
    }

    [Theory]
    [InlineData("concurrent-requests = 0")]
    [InlineData("concurrent-requests = 1001")]
    [InlineData("concurrent-requests = 1.0")]
    [InlineData("concurrent-requests = 9223372036854775807")]
    [InlineData("single-use = 1")]
    [InlineData("keepalive = -2")]
    [InlineData("keepalive = -0.5")]
    [InlineData("keepalive = nan")]
    [InlineData("keepalive = inf")]
    [InlineData("timeout = 0")]
    [InlineData("timeout = -1")]
    [InlineData("max-instances = 0")]
    [InlineData("queue-timeout = 1979-05-27")]
    [InlineData("env = 1")]
    [InlineData("env = { \"\" = \"x\" }")]
    [InlineData("env = { \"A=B\" = \"x\" }")]
    [InlineData("env = { A = \"\\u0000\" }")]
    [InlineData("[[labels]]")]
    public void A_value_out_of_its_range_is_one_problem(string line) => Assert.Single(FunctionToml.Read($"{line}\n{Smallest}").Problems);

    [Theory]
    [InlineData("memory = 15")]
    [InlineData("cpus = -1")]
    [InlineData("cpus = nan")]
    [InlineData("tmp = 0")]
    [InlineData("network = true")]
    [InlineData("scripts = \"yes\"")]
    public void A_value_of_process_out_of_its_range_is_one_problem(string line) => Assert.Single(FunctionToml.Read($"{Smallest}{line}\n").Problems);

    [Fact]
    public void Too_large_an_environment_is_a_problem() =>
        Assert.Contains("at most 60,000", Assert.Single(FunctionToml.Read($"env = {{ A = \"{new string('x', 60_000)}\" }}\n{Smallest}").Problems).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("", "does not say how the function runs")]
    [InlineData("process = 1", "must be a table")]
    [InlineData("[[process]]\nruntime = \"python3\"", "write [process]")]
    [InlineData("[process]\nruntime = \"binary\"\n[vm]\nkernel = \"k\"\nimage = \"i\"", "a function has one backend, and [process] is on line 1")]
    [InlineData("[proces]\nruntime = \"python3\"", "did you mean `process`?")]
    public void Exactly_one_backend_is_needed(string toml, string message) =>
        Assert.Contains(FunctionToml.Read(toml).Problems, p => p.Message.Contains(message, StringComparison.Ordinal));

    [Fact]
    public void More_warm_instances_than_the_default_maximum_raise_it() =>
        Assert.Equal(900, FunctionToml.Read($"min-instances = 900\n{Smallest}").Spec!.MaxInstances);

    [Fact]
    public void A_module_needs_nothing_but_its_table_and_keeps_what_is_said()
    {
        Assert.Equal(new WasmSpec(), FunctionToml.Read("[wasm]\n").Spec!.Wasm);
        var spec = FunctionToml.Read("[wasm]\nfile = \"a/b.wasm\"\nmemory = 3\noutput = 2\ninterface = \"wasi\"\nargs = [\"x\", \"\"]\nnetwork = \"none\"\nisolation = \"process\"\n").Spec!;
        Assert.Equal(("a/b.wasm", 3, 2, WasmInterface.Wasi, NetworkAccess.None, WasmIsolation.Process), (spec.Wasm!.File!, spec.Wasm.MemoryMiB, spec.Wasm.OutputMiB, spec.Wasm.Interface!.Value, spec.Wasm.Network!.Value, spec.Wasm.Isolation));
        Assert.Equal(["x", ""], spec.Wasm.Args);
        Assert.Equal(FunctionToml.Write(spec), FunctionToml.Write(FunctionToml.Read(FunctionToml.Write(spec)).Spec!));
        Assert.Equal((0, 3 + 2 + WasmSpec.RunnerOverheadMiB), (FunctionToml.Read("[wasm]\n").Spec!.MemoryMiB, spec.MemoryMiB));
    }

    [Theory]
    [InlineData("concurrent-requests = 2\n[wasm]", "`concurrent-requests` must be 1 with [wasm]")]
    [InlineData("secrets = [\"s\"]\n[wasm]", "`secrets` are files, and a [wasm] function sees none")]
    [InlineData("[wasm]\nmemory = 0", "`memory` must be an integer from 1 to 4096 (MiB)")]
    [InlineData("[wasm]\ninterface = \"wasi2\"", "`interface` must be \"funless\" or \"wasi\"")]
    [InlineData("[wasm]\nmodule = \"fn.wasm\"", "unknown key `module` in [wasm]")]
    public void What_a_module_cannot_have_is_said(string toml, string message) =>
        Assert.Contains(FunctionToml.Read(toml).Problems, p => p.Message.Contains(message, StringComparison.Ordinal));

    [Theory]
    [InlineData("kernel = \"k\"", "`image` is missing in [vm]")]
    [InlineData("image = \"i\"", "`kernel` is missing in [vm]")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nhypervisor = { type = \"firecracker\", copy-rootfs = false, jailer = true }", "which a `jailer` keeps them from seeing")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nmemori = 5", "did you mean `memory`?")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nmemory = 7", "`memory` must be an integer from 8")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\ncpus = 0", "`cpus` must be an integer from 1")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\ncmdline = \"a\\nb\"", "`cmdline` must be a text of one line")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nhypervisor = { type = \"xen\" }", "`hypervisor` type must be \"firecracker\"")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nhypervisor = { type = \"qemu\", pic = true }", "unknown key `pic` in [hypervisor]")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nhypervisor = { type = \"qemu\", disk-type = \"nfs\" }", "`disk-type` must be \"block\" or \"9p\"")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nhypervisor = { copy-rootfs = true }", "`hypervisor` must be a table with `type`")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\nhypervisor = \"qemu\"", "`hypervisor` must be a table")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\noverlay = 8\nhypervisor = { type = \"qemu\", disk-type = \"9p\" }", "`overlay` is a disk")]
    [InlineData("kernel = \"k\"\nimage = \"i\"\noverlay = 8\nhypervisor = { type = \"firecracker\", copy-rootfs = false }", "`overlay` makes the image read-only")]
    [InlineData("kernel = \"k\"\ninitrd = \"i\"\noverlay = 8", "`overlay` goes over an `image`")]
    public void What_is_wrong_with_a_virtual_machine_is_said(string keys, string message) =>
        Assert.Contains(FunctionToml.Read($"[vm]\n{keys}\n").Problems, p => p.Message.Contains(message, StringComparison.Ordinal));

    [Fact]
    public void A_virtual_machine_of_UniFaaS_is_understood_with_its_defaults()
    {
        var spec = FunctionToml.Read("keepalive = 60\nconcurrent-requests = 4\n[vm]\nkernel = \"vmlinux\"\nimage = \"rootfs.ext4\"\ncmdline = \"ip=%ip callback=%callback\"\n").Spec!;
        var vm = spec.Vm!;
        Assert.Equal(new VmSpec { Kernel = "vmlinux", Image = "rootfs.ext4", Cmdline = "ip=%ip callback=%callback" }, vm);
        Assert.Equal((128, 1, 8080, true, true), (vm.MemoryMiB, vm.Cpus, vm.Port, vm.Snapshot, vm.CallsBack));
        Assert.Equal(new Hypervisor.Firecracker { CopyRootfs = true }, vm.Hypervisor);
        Assert.True(spec is { HasCode: false, HasFiles: true });
        Assert.True(spec.MemoryMiB > 128, "the hypervisor's own memory counts");
    }

    [Theory]
    [InlineData("{ type = \"firecracker\", jailer = true }")]
    [InlineData("{ type = \"firecracker\", copy-rootfs = false }")]
    [InlineData("{ type = \"qemu\" }")]
    [InlineData("{ type = \"qemu\", disk-type = \"9p\" }")]
    [InlineData("{ type = \"microvm\", disk-type = \"9p\", pic = true, pit = true, rtc = true, acpi = true, auto-kernel-cmdline = false }")]
    public void A_hypervisor_survives_being_written_and_read(string hypervisor)
    {
        var spec = FunctionToml.Read($"[vm]\nkernel = \"k\"\nimage = \"i\"\nhypervisor = {hypervisor}\n").Spec!;
        Assert.Equal(spec.Vm, FunctionToml.Read(FunctionToml.Write(spec)).Spec!.Vm);
        Assert.NotEqual(new VmSpec { Kernel = "k", Image = "i" }.Hypervisor, spec.Vm!.Hypervisor);
    }

    [Fact]
    public void The_switches_of_a_microvm_have_the_defaults_of_UniFaaS() =>
        Assert.Equal(new Hypervisor.MicroVm { DiskType = DiskType.Block, Pic = false, Pit = false, Rtc = false, Acpi = false, AutoKernelCmdline = true },
            FunctionToml.Read("[vm]\nkernel = \"k\"\nimage = \"i\"\nhypervisor = { type = \"microvm\" }\n").Spec!.Vm!.Hypervisor);

    [Theory]
    [InlineData("", 30)]
    [InlineData("boot-timeout = 60\n", 65)]
    [InlineData("boot-timeout = 60\nqueue-timeout = 5\n", 5)]
    public void A_call_of_a_virtual_machine_waits_while_that_may_boot(string keys, int expected)
    {
        var spec = FunctionToml.Read($"{keys}[vm]\nkernel = \"k\"\nimage = \"i\"\n").Spec!;
        Assert.Equal(TimeSpan.FromSeconds(expected), spec.QueueTimeout);
        Assert.Equal(spec.QueueTimeout, FunctionToml.Read(FunctionToml.Write(spec)).Spec!.QueueTimeout);
    }

    [Fact]
    public void A_container_of_UniFaaS_calls_back()
    {
        var spec = FunctionToml.Read("keepalive = 60\nconcurrent-requests = 4\nsingle-use = true\n[container]\nimage = \"name:tag\"\nmemory = 512\nruntime = \"runsc\"\n").Spec!;
        Assert.Equal(new ContainerSpec { Image = "name:tag", MemoryMiB = 512, Runtime = "runsc", Capabilities = spec.Container!.Capabilities, Command = spec.Container.Command, Args = spec.Container.Args }, spec.Container);
        Assert.True(spec.Container.CallsBack);
        Assert.Equal((8080, 512, false), (spec.Container.HttpPort, spec.MemoryMiB, spec.HasCode));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("memory = 64\nwritable = true", true)]
    [InlineData("port = 8080", false)]
    [InlineData("health-path = \"/healthz\"", false)]
    [InlineData("command = [\"/serve\"]", false)]
    [InlineData("args = [\"--verbose\"]", false)]
    [InlineData("command = [\"/serve\", \"--tell=%callback\"]", true)]
    [InlineData("port = 80\nargs = [\"-v\", \"%callback\"]", true)]
    [InlineData("port = 80\ncallback = true", true)]
    [InlineData("callback = false", false)]
    public void Who_says_that_a_container_is_ready_follows_from_its_keys(string keys, bool callsBack) =>
        Assert.Equal(callsBack, FunctionToml.Read($"[container]\nimage = \"i\"\n{keys}\n").Spec!.Container!.CallsBack);

    [Theory]
    [InlineData("memory = 64", "`image` is missing in [container]")]
    [InlineData("image = 1", "`image` must be the name of an image")]
    [InlineData("image = \"a b\"", "`image` must be the name of an image")]
    [InlineData("image = \"-i\"", "`image` must be the name of an image")]
    [InlineData("image = \"i\"\nruntime = \"../runc\"", "`runtime` must be a name of letters")]
    [InlineData("image = \"i\"\nhealth-path = \"healthz\"", "`health-path` must be a path that begins with /")]
    [InlineData("image = \"i\"\nhealth-path = \"/a b\"", "`health-path` must be a path that begins with /")]
    [InlineData("image = \"i\"\ncapabilities = [\"NET_BIND_SERVCE\"]", "unknown capability \"NET_BIND_SERVCE\"; did you mean")]
    [InlineData("image = \"i\"\ncapabilities = [\"ALL\"]", "unknown capability \"ALL\"")]
    [InlineData("image = \"i\"\nargs = \"-v\"", "`args` must be an array of texts, not \"-v\"")]
    [InlineData("image = \"i\"\nargs = [1]", "`args` must be an array of texts; put each into quotes")]
    [InlineData("image = \"i\"\nport = 0", "`port` must be an integer from 1 to 65535")]
    [InlineData("image = \"i\"\nnetwork = \"none\"", "`network` must be \"bridge\" or \"internal\"")]
    [InlineData("image = \"i\"\ncallback = true\nargs = [\"-v\"]", "does not say where the URL goes")]
    [InlineData("image = \"i\"\ncallback = false\nargs = [\"%callback\"]", "`callback` is false, but")]
    [InlineData("image = \"i\"\nimages = \"j\"", "did you mean `image`?")]
    [InlineData("image = \"i\"\nkeepalive = 5", "it belongs at the top of the file")]
    [InlineData("image = \"i\"\n[process]\nruntime = \"python3\"", "a function has one backend, and [container] is on line 1")]
    public void What_is_wrong_with_a_container_is_said(string keys, string message) =>
        Assert.Contains(FunctionToml.Read($"[container]\n{keys}\n").Problems, p => p.Message.Contains(message, StringComparison.Ordinal));

    [Theory]
    [InlineData("memory = 5\n[container]\nimage = \"i\"", "it belongs below [container]")]
    [InlineData("memory = 5\n[process]\nruntime = \"python3\"", "it belongs below [process]")]
    [InlineData("health-path = \"/\"\n[process]\nruntime = \"python3\"", "it belongs below [container]")]
    public void A_misplaced_key_is_sent_to_its_table(string toml, string message) =>
        Assert.Contains(message, Assert.Single(FunctionToml.Read(toml).Problems).Message, StringComparison.Ordinal);

    [Fact]
    public void A_container_is_written_and_read_again_equal()
    {
        foreach (var callback in (bool?[])[null, true, false])
        {
            var spec = new ContainerSpec
            {
                Image = "localhost:5000/a/b@sha256:00ff", MemoryMiB = 99, Runtime = "io.containerd.runsc.v1", Cpus = 0.25, Pids = 9, Writable = true, TmpMiB = 1, Capabilities = ["CHOWN", "SYSLOG"],
                Network = ContainerNetwork.Internal, Port = 8080, HealthPath = "/a?b=c", Command = ["/bin/sh", "-c", "", "a \"b\""], Args = callback == false ? ["x"] : ["%callback"], Callback = callback,
            };
            var again = FunctionToml.Read(FunctionToml.Write(new FunctionSpec { Container = spec })).Spec!.Container!;
            Assert.Equal(spec with { Capabilities = again.Capabilities, Command = again.Command, Args = again.Args }, again);
            Assert.Equal((spec.Capabilities, spec.Command, spec.Args), (again.Capabilities, again.Command, again.Args), static (a, b) =>
                a.Item1.SequenceEqual(b.Item1) && a.Item2.SequenceEqual(b.Item2) && a.Item3.SequenceEqual(b.Item3));
        }
        Assert.Equal("[container]\nimage = \"i\"\n", FunctionToml.Write(new FunctionSpec { Container = new ContainerSpec { Image = "i" } }));
        Assert.Equal(["CHOWN"], FunctionToml.Read("[container]\nimage = \"i\"\ncapabilities = [\"CAP_CHOWN\"]").Spec!.Container!.Capabilities);
    }

    [Fact]
    public void A_specification_is_written_and_read_again_equal()
    {
        var spec = new FunctionSpec
        {
            ConcurrentRequests = 7, SingleUse = true, KeepAlive = Timeout.InfiniteTimeSpan, MinInstances = 2, MaxInstances = 999, Timeout = TimeSpan.FromTicks(12_345_678),
            BootTimeout = TimeSpan.FromMinutes(2), MaxQueue = 5, QueueTimeout = TimeSpan.FromMilliseconds(1), Ahead = 3,
            Env = new Dictionary<string, string> { ["B"] = "quote \" backslash \\ line\nend 🦊\t\u0001", ["A"] = "" },
            Labels = new Dictionary<string, string> { ["x.y z"] = "1" },
            Process = new ProcessSpec { Runtime = Runtime.Binary, MemoryMiB = 99, Cpus = 0.25, Pids = 9, Network = NetworkAccess.Host, TmpMiB = 1, AllowInstallScripts = true },
        };
        var again = FunctionToml.Read(FunctionToml.Write(spec)).Spec!;
        Assert.Equal(spec with { Env = again.Env, Labels = again.Labels }, again);
        Assert.Equal(spec.Env.OrderBy(p => p.Key, StringComparer.Ordinal), again.Env);
        Assert.Equal(spec.Labels, again.Labels);
    }

    [Fact]
    public void Defaults_are_not_written() =>
        Assert.Equal("[process]\nruntime = \"nodejs\"\n", FunctionToml.Write(new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.NodeJs } }));

    [Fact]
    public void A_file_that_is_not_there_is_a_problem() =>
        Assert.Contains("cannot be read", Assert.Single(FunctionToml.ReadFile("/nowhere/function.toml").Problems).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_is_read_from_disk()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Smallest);
            Assert.NotNull(FunctionToml.ReadFile(file).Spec);
            File.WriteAllBytes(file, new byte[TomlDocument.MaxBytes + 5]);
            Assert.Contains("at most", Assert.Single(FunctionToml.ReadFile(file).Problems).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Any_valid_or_invalid_toml_is_read_without_raising()
    {
        // One of them is a function's.
        foreach (var @case in Toml.TomlCases.Valid.Concat(Toml.TomlCases.Invalid)) Assert.True(FunctionToml.Read(@case.Toml).Problems.Count > 0 != (@case.Name == "a UniFaaS file"), @case.Name);
    }

    [Fact]
    public void A_file_of_nothing_but_problems_ends_in_bounded_many()
    {
        var reading = FunctionToml.Read(string.Concat(Enumerable.Range(0, 50_000).Select(i => $"k{i} = 1\n")));
        Assert.InRange(reading.Problems.Count, 1, 50);
    }

    [Fact]
    public void Any_specification_within_the_ranges_is_written_and_read_again_equal() => Prop.ForAll<NonNull<string>, NonNull<string>, int>((value, label, seed) =>
    {
        var random = new Random(seed);
        var min = random.Next(100);
        var spec = new FunctionSpec
        {
            ConcurrentRequests = random.Next(1, 1001), SingleUse = random.Next(2) == 0, MinInstances = min, MaxInstances = random.Next(Math.Max(1, min), 1001),
            KeepAlive = random.Next(4) == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(random.NextInt64(30 * TimeSpan.TicksPerDay)),
            Timeout = TimeSpan.FromTicks(random.NextInt64(10_000, TimeSpan.TicksPerDay)), MaxQueue = random.Next(1_000_000),
            Env = new Dictionary<string, string> { ["V"] = value.Get.Replace("\0", "", StringComparison.Ordinal) },
            Labels = new Dictionary<string, string> { [label.Get.Replace("\0", "", StringComparison.Ordinal)] = "x" },
            Process = new ProcessSpec { Runtime = (Runtime)random.Next(3), Cpus = random.Next(10) / 8.0, MemoryMiB = random.Next(16, 5000) },
        };
        var reading = FunctionToml.Read(FunctionToml.Write(spec));
        Assert.Empty(reading.Problems);
        Assert.Equal(spec with { Env = reading.Spec!.Env, Labels = reading.Spec.Labels }, reading.Spec);
        // Half a surrogate pair cannot be written; U+FFFD stands for it.
        Assert.Equal(WellFormed(spec.Env["V"]), reading.Spec.Env["V"]);
        Assert.Equal(WellFormed(spec.Labels.Keys.Single()), reading.Spec.Labels.Keys.Single());
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void A_mutated_file_is_read_without_raising_and_ends_in_a_specification_or_in_problems()
    {
        var random = new Random(20260822);
        var good = FunctionToml.Write(new FunctionSpec
        {
            MinInstances = 1, MaxInstances = 2, Env = new Dictionary<string, string> { ["A"] = "b" }, Process = new ProcessSpec { Runtime = Runtime.NodeJs, MemoryMiB = 20, Cpus = 0.5 },
        }) + "[vm]\nkernel = \"k\"\nhypervisor = { type = \"qemu\" }\n[container]\nimage = \"i\"\n";
        for (var round = 0; round < 5_000; round++)
        {
            var text = good.ToList();
            for (var change = random.Next(1, 12); change > 0; change--)
            {
                var at = random.Next(text.Count);
                if (random.Next(3) == 0) text.RemoveRange(at, Math.Min(random.Next(1, 30), text.Count - at));
                else text.Insert(at, good[random.Next(good.Length)]);
                if (text.Count == 0) text.Add('#');
            }
            var reading = FunctionToml.Read(string.Concat(text));
            Assert.Equal(reading.Spec is null, reading.Problems.Count > 0);
            Assert.NotNull(reading.Render("f"));
        }
    }

    private static string WellFormed(string text) => string.Concat(text.EnumerateRunes());
}
