using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Invocations;

namespace Stint.Tests.Functions;

/// <summary>A registry with all that belongs to it, over folders of its own or over a copy of another's, as after a crash.</summary>
internal sealed class Workbench : IAsyncDisposable
{
    private readonly TempFolder _temp = new();

    public Workbench(IBuildSandbox? sandbox = null, DeployerOptions? deployer = null, BuildOptions? build = null, RegistryOptions? options = null, string? copyOf = null)
    {
        if (copyOf is not null) CopyFolder(copyOf, _temp.Path);
        Bundles = new BundleStore(State, sandbox ?? new UnsandboxedBuild(TimeProvider.System), new Toolchain(), build ?? new(), TimeProvider.System, NullLogger<BundleStore>.Instance);
        var observer = new VersionObserver
        {
            OnServing = version => Events.Enqueue($"serving {version.Name}"),
            OnRemoved = name => Events.Enqueue($"removed {name}"),
            OnBuildLine = (name, line) => BuildLines.Enqueue($"{name}: {line}"),
        };
        Registry = new FunctionRegistry(Root, options ?? new(), Bundles, ReadToml, observer, TimeProvider.System, NullLogger<FunctionRegistry>.Instance);
        Deployer = new Deployer(Registry, Bundles, ReadToml, deployer ?? new(), TimeProvider.System, NullLogger<Deployer>.Instance);
    }

    public string Folder => _temp.Path;
    public string Root => _temp["registry"];
    public string State => _temp["state"];
    public BundleStore Bundles { get; }
    public FunctionRegistry Registry { get; }
    public Deployer Deployer { get; }
    public ConcurrentQueue<string> Events { get; } = [];
    public ConcurrentQueue<string> BuildLines { get; } = [];

    /// <summary>Starts the registry and waits until all is taken up.</summary>
    public async Task<Workbench> StartAsync()
    {
        Registry.Start();
        await Registry.WhenSettledAsync(CancellationToken.None);
        return this;
    }

    public static FunctionName Name(string text) => FunctionName.TryParse(text, out var name) ? name : throw new ArgumentException(text);

    public RegisteredFunction? Find(string name) => Registry.Snapshot.Functions.GetValueOrDefault(Name(name));

    /// <summary>What calls of the function would run.</summary>
    public string? ServedCode(string name, string file = "fn.py")
    {
        while (Find(name)?.Serving is { } version)
        {
            try
            {
                return File.ReadAllText(Path.Combine(version.Folder!, file));
            }
            catch (IOException) when (Find(name)?.Serving != version)
            {
                // The next version came while we looked, and the last one's bundle went with it.
            }
        }
        return null;
    }

    public string Write(string relative, string text = "") => _temp.Write(relative, text);

    /// <summary>Writes a function's folder the way a user would by hand.</summary>
    public void WriteFunction(string folder, string code, string toml = "python3")
    {
        Write($"registry/{folder}/code/fn.py", code);
        Write($"registry/{folder}/function.toml", toml);
    }

    /// <summary>A folder of code outside of the registry.</summary>
    public CodeSource Code(string code, params (string Name, string Text)[] more)
    {
        var folder = $"source-{Guid.NewGuid():N}";
        Write($"{folder}/fn.py", code);
        foreach (var (name, text) in more) Write($"{folder}/{name}", text);
        return new CodeSource.Folder(_temp[folder]);
    }

    public Task<FunctionVersion> DeployAsync(string name, string code, params (string Name, string Text)[] more) =>
        Deployer.DeployAsync(Name(name), "python3", Code(code, more), _ => { }, CancellationToken.None);

    /// <summary>Names of bundles on disk.</summary>
    public string[] BundleNames() => [.. Directory.GetDirectories(Path.Combine(State, "bundles")).Select(p => Path.GetFileName(p)!)];

    /// <summary>Fails when a deployment has left anything of its own, once what is deleted in the background is gone.</summary>
    public async Task AssertNoDebrisAsync()
    {
        await Registry.WhenSettledAsync(CancellationToken.None);
        await Bundles.DisposeAsync();
        Assert.Empty(Directory.Exists(Path.Combine(Root, ".staging")) ? TempFolder.List(Path.Combine(Root, ".staging")) : []);
        Assert.Empty(TempFolder.List(Path.Combine(State, "staging")));
    }

    /// <summary>Waits until it is so.</summary>
    public static async Task Until(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
        while (!condition()) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, limit.Token);
    }

    /// <summary>Copies a folder into an empty one; once more when files vanished meanwhile, as those of a bundle that is being deleted do.</summary>
    public static void CopyFolder(string from, string to)
    {
        for (var tries = 0; ; tries++)
        {
            using var copy = Process.Start(new ProcessStartInfo("cp", ["-a", from + "/.", to]) { RedirectStandardError = true })!;
            var errors = copy.StandardError.ReadToEnd();
            copy.WaitForExit();
            if (copy.ExitCode == 0) return;
            Assert.True(tries < 10 && errors.Contains("No such file", StringComparison.Ordinal), errors);
            Directory.Delete(to, recursive: true);
            Directory.CreateDirectory(to);
        }
    }

    /// <summary>A stand-in for the real reader: the runtime's name on the first line; a line that begins with "bad" is a problem, "container" one without code, "vm" one with kernel and image beside it.</summary>
    private static (FunctionSpec? Spec, IReadOnlyList<string> Problems) ReadToml(string text, string path)
    {
        var lines = text.Split('\n');
        var bad = Array.FindIndex(lines, line => line.StartsWith("bad", StringComparison.Ordinal));
        if (bad >= 0) return (null, [$"{path}:{bad + 1}:1: unknown key bad"]);
        if (lines[0] == "vm") return (new FunctionSpec { Vm = new VmSpec { Kernel = lines[1], Image = lines[2] } }, []);
        if (lines[0] == "container") return (new FunctionSpec { Container = new ContainerSpec { Image = "none:at-all" } }, []);
        var runtime = lines[0] switch { "nodejs" => Runtime.NodeJs, "binary" => Runtime.Binary, _ => Runtime.Python3 };
        return (new FunctionSpec { Process = new ProcessSpec { Runtime = runtime } }, []);
    }

    public async ValueTask DisposeAsync()
    {
        await Registry.DisposeAsync();
        await Bundles.DisposeAsync();
        _temp.Dispose();
    }
}
