using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;
using Stint.Functions.Triggers;

namespace Stint.Functions.Specification;

/// <summary>What came of reading a <c>function.toml</c>: the specification, or all that is wrong with it.</summary>
/// <param name="Spec">The checked specification; null when there are problems.</param>
/// <param name="Problems">In the order of the file; empty when all is well.</param>
internal sealed record FunctionTomlReading(FunctionSpec? Spec, IReadOnlyList<TomlProblem> Problems)
{
    /// <summary>All problems with their lines and carets, for people.</summary>
    public string Render(string file) => string.Join('\n', Problems.Select(p => p.Render(file)));
}

/// <summary>Reads and writes <c>function.toml</c>. The keys are in <see cref="FunctionTomlKeys"/>.</summary>
internal static class FunctionToml
{
    /// <summary>The file's name in a function's folder.</summary>
    public const string FileName = "function.toml";

    /// <summary>Problems that are reported of one file; arbitrary, more than anybody reads.</summary>
    private const int MaxProblems = 50;

    private static readonly IReadOnlyList<string> Backends = ["process", "container", "vm", "wasm"];

    /// <summary>Reads a file. That it cannot be read is a problem like others.</summary>
    public static FunctionTomlReading ReadFile(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var bytes = new byte[TomlDocument.MaxBytes + 1];
            return Read(bytes.AsSpan(0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return new FunctionTomlReading(null, [TomlProblem.At("", new TomlPosition(1, 1), $"the file cannot be read: {error.Message}")]);
        }
    }

    /// <summary>Reads a file's bytes.</summary>
    public static FunctionTomlReading Read(ReadOnlySpan<byte> utf8) => Read(TomlDocument.Parse(utf8));

    /// <summary>Reads a text.</summary>
    public static FunctionTomlReading Read(string text) => Read(TomlDocument.Parse(text));

    /// <summary>The file that gives this specification; defaults are left out.</summary>
    public static string Write(FunctionSpec spec)
    {
        var root = FunctionTomlKeys.Function.Write(spec);
        if (spec.Process is { } process) root.Add("process", FunctionTomlKeys.Process.Write(process));
        if (spec.Container is { } container) root.Add("container", FunctionTomlKeys.Container.Write(container));
        if (spec.Vm is { } vm) root.Add("vm", FunctionTomlKeys.Vm.Write(vm));
        if (spec.Wasm is { } wasm) root.Add("wasm", FunctionTomlKeys.Wasm.Write(wasm));
        return TomlWriter.Write(root);
    }

    private static FunctionTomlReading Read(TomlDocument document)
    {
        var problems = new List<TomlProblem>(document.Problems);
        void Report(TomlPosition position, string message)
        {
            if (problems.Count < MaxProblems) problems.Add(document.ProblemAt(position, message));
        }

        var root = document.Root;
        // What a file with broken lines lacks may stand in one of them.
        var isComplete = problems.Count == 0;
        var spec = FunctionTomlKeys.Function.Read(root, new FunctionSpec(), Report, Backends, key => SectionOf(key, root));
        spec = CheckInstances(root, spec, Report);
        CheckCircles(root, spec, Report);

        var backends = root.Where(e => Backends.Contains(e.Key)).ToList();
        foreach (var second in backends.Skip(1))
            Report(second.Position, $"a function has one backend, and [{backends[0].Key}] is on line {backends[0].Position.Line}; remove one of them");
        if (backends.Count == 0 && isComplete)
            Report(new TomlPosition(1, 1), "the file does not say how the function runs; add `[process]` and below it `runtime = \"python3\"`, \"nodejs\" or \"binary\", or `[container]` and below it `image = \"name:tag\"`, or `[vm]` and below it `kernel` and `image`, or `[wasm]` and a `.wasm` file in code/");

        foreach (var backend in backends)
        {
            if (backend.Value is not TomlTable table) Report(backend.Position, $"`{backend.Key}` must be a table, not {backend.Value.Kind}; write [{backend.Key}]");
            else if (backend.Key == "process") spec = spec with { Process = ReadBackend(FunctionTomlKeys.Process, new ProcessSpec { Runtime = Runtime.Python3 }, backend.Position, table, isComplete, Report) };
            else if (backend.Key == "container") spec = spec with { Container = ReadContainer(table, backend.Position, isComplete, Report) };
            else if (backend.Key == "vm") spec = spec with { Vm = ReadVm(table, backend.Position, isComplete, Report) };
            else if (backend.Key == "wasm") spec = spec with { Wasm = ReadWasm(table, spec, backend.Position, isComplete, Report) };
        }

        return problems.Count == 0
            ? new FunctionTomlReading(spec, [])
            : new FunctionTomlReading(null, [.. problems.OrderBy(p => p.Position.Line).ThenBy(p => p.Position.Column)]);
    }

    private static TSpec ReadBackend<TSpec>(Section<TSpec> section, TSpec defaults, TomlPosition position, TomlTable table, bool isComplete, Report report)
    {
        var spec = section.Read(table, defaults, report,
            elsewhere: key => FunctionTomlKeys.Function.Settings.Any(s => s.Name == key) ? "at the top of the file, before the first [table]" : null);
        if (isComplete) section.Demand(table, position, report);
        return spec;
    }

    /// <summary>Says as well when it is not clear who tells that an instance is ready.</summary>
    private static ContainerSpec ReadContainer(TomlTable table, TomlPosition position, bool isComplete, Report report)
    {
        var spec = ReadBackend(FunctionTomlKeys.Container, new ContainerSpec { Image = "" }, position, table, isComplete, report);
        if (spec.Callback is not { } wanted || !table.TryGet("callback", out var callback)) return spec;
        if (wanted && spec.Args.Count > 0 && !spec.TakesCallback)
            report(callback.Value.Position, $"`callback` is true, but `args` does not say where the URL goes; add \"{ContainerSpec.CallbackPlaceholder}\" to it");
        if (!wanted && spec.TakesCallback)
            report(callback.Value.Position, $"`callback` is false, but \"{ContainerSpec.CallbackPlaceholder}\" is used; remove the one or the other");
        return spec;
    }

    /// <summary>Says as well what the keys together lack, or contradict.</summary>
    private static VmSpec ReadVm(TomlTable table, TomlPosition position, bool isComplete, Report report)
    {
        var spec = ReadBackend(FunctionTomlKeys.Vm, new VmSpec { Kernel = "" }, position, table, isComplete, report);
        if (isComplete && !table.TryGet("image", out _) && !table.TryGet("initrd", out _)) report(position, "`image` is missing in [vm]; it must be a text, unless there is an `initrd`");
        if (spec.OverlayMiB > 0 && table.TryGet("overlay", out var overlay))
        {
            if (spec.Hypervisor.Disk == DiskType.NineP) report(overlay.Value.Position, "`overlay` is a disk, which a guest with `disk-type = \"9p\"` does not have; remove the one or the other");
            else if (spec.Image is null) report(overlay.Value.Position, "`overlay` goes over an `image`, and there is none; remove it, an `initrd` is writable as it is");
            else if (spec.Hypervisor is Hypervisor.Firecracker { CopyRootfs: false })
                report(overlay.Value.Position, "`overlay` makes the image read-only, and `copy-rootfs = false` has instances write to it; remove the one or the other");
        }
        if (spec.Hypervisor is Hypervisor.Firecracker { CopyRootfs: false, Jailer: true } && table.TryGet("hypervisor", out var hypervisor))
            report(hypervisor.Value.Position, "`copy-rootfs = false` has instances write to the image itself, which a `jailer` keeps them from seeing; remove the one or the other");
        return spec;
    }

    /// <summary>Says as well what of the function's own keys a module cannot have.</summary>
    private static WasmSpec ReadWasm(TomlTable table, FunctionSpec spec, TomlPosition position, bool isComplete, Report report)
    {
        if (spec.ConcurrentRequests > 1) report(position, "`concurrent-requests` must be 1 with [wasm]: an instance of a module serves one call; `max-instances` says how many run at a time");
        if (spec.Secrets.Count > 0) report(position, "`secrets` are files, and a [wasm] function sees none; give it the value in [env], or leave them out");
        return ReadBackend(FunctionTomlKeys.Wasm, new WasmSpec(), position, table, isComplete, report);
    }

    /// <summary>Limits that contradict each other; a limit that nobody set gives way.</summary>
    private static FunctionSpec CheckInstances(TomlTable root, FunctionSpec spec, Report report)
    {
        if (spec.MinInstances <= spec.MaxInstances) return spec;
        if (!root.TryGet("max-instances", out var max)) return spec with { MaxInstances = spec.MinInstances };
        // A value that was refused left the default behind, which nobody wrote.
        if (max.Value is TomlInteger written && written.Value == spec.MaxInstances) report(max.Value.Position, $"`max-instances` ({spec.MaxInstances}) is less than `min-instances` ({spec.MinInstances}); raise the one or lower the other");
        return spec;
    }

    /// <summary>Results that are published where they call the function again.</summary>
    private static void CheckCircles(TomlTable root, FunctionSpec spec, Report report)
    {
        foreach (var sink in spec.Sinks.OfType<SinkSpec.Mqtt>())
        {
            var circle = spec.Events.OfType<EventSpec.Mqtt>().FirstOrDefault(e => e.Broker.Host == sink.Broker.Host && e.Broker.TcpPort == sink.Broker.TcpPort
                && TopicFilter.TryParse(e.Topic, out var filter, out _) && filter.Matches(sink.Topic));
            if (circle is not null && root.TryGet("sink", out var sinks))
                report(sinks.Position, $"`sink` publishes to {sink.Topic}, which the event's topic {circle.Topic} takes in: each result would call the function again, for ever; choose another topic");
        }
    }

    private static string? SectionOf(string key, TomlTable root)
    {
        // A key of several backends is looked for in the one that the file uses.
        (string Name, bool HasKey)[] sections =
        [
            ("process", FunctionTomlKeys.Process.Settings.Any(s => s.Name == key)),
            ("container", FunctionTomlKeys.Container.Settings.Any(s => s.Name == key)),
            ("vm", FunctionTomlKeys.Vm.Settings.Any(s => s.Name == key)),
            ("wasm", FunctionTomlKeys.Wasm.Settings.Any(s => s.Name == key)),
        ];
        var having = sections.Where(static section => section.HasKey).Select(static section => section.Name).ToList();
        var section = having.Find(name => root.TryGet(name, out _)) ?? having.FirstOrDefault();
        return section is null ? null : $"below [{section}]";
    }
}
