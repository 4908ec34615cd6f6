using Stint.EndToEnd.Containers;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Dialects;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Watchdog;

/// <summary>A gateway, and images with the native <c>fwatchdog</c> in them, built without a registry by <c>stint image build</c>.</summary>
public sealed class WatchdogImages(TestEngine engine) : IAsyncLifetime, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-watchdog-").FullName;
    private ContainerDaemon? _daemon;
    private FaasClient? _client;

    /// <summary>The gateway.</summary>
    internal StintDaemon Daemon => _daemon!.Daemon;

    /// <summary>Speaks to it as faas-cli does.</summary>
    internal FaasClient Client => _client!;

    /// <summary>The native file.</summary>
    /// <exception cref="InvalidOperationException">It has not been made.</exception>
    internal static string Fwatchdog
    {
        get
        {
            var file = Environment.GetEnvironmentVariable("FWATCHDOG") is { Length: > 0 } named ? named : Path.Combine(Programs.Repository, "artifacts", "publish", "fwatchdog", "fwatchdog");
            return File.Exists(file) ? file : throw new InvalidOperationException($"no {file}: tests/Stint.EndToEnd/Watchdog/install-tools.sh makes it (./test runs that)");
        }
    }

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _daemon = await ContainerDaemon.StartAsync(engine);
        _client = new FaasClient(Daemon.ManagementPort);
        foreach (var runtime in (string[])["binary", "python3", "nodejs"]) (await StintAsync("image", "build", runtime)).Good();
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await _daemon!.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _client?.Dispose();

    /// <summary>Builds an image of fwatchdog, a busybox and a script.</summary>
    /// <returns>The image's name.</returns>
    internal async Task<string> BuildAsync(string name, string busybox, string dockerfile, string script)
    {
        var context = Path.Combine(_folder, name);
        Directory.CreateDirectory(context);
        FunctionFiles.Write(context, ("Dockerfile", dockerfile), ("run.sh", script));
        File.Copy(busybox, Path.Combine(context, "busybox"));
        return await BuildContextAsync(name, context);
    }

    /// <summary>Builds a sample.</summary>
    /// <returns>The image's name.</returns>
    internal async Task<string> BuildSampleAsync(string name)
    {
        var context = Path.Combine(_folder, name);
        Directory.CreateDirectory(context);
        foreach (var file in Directory.GetFiles(Path.Combine(Programs.Repository, "examples", "watchdog", name))) File.Copy(file, Path.Combine(context, Path.GetFileName(file)), overwrite: true);
        return await BuildContextAsync(name, context);
    }

    /// <summary>Deploys an image as <c>faas-cli deploy</c> does.</summary>
    internal async Task DeployAsync(string function, string image, string more = "")
    {
        var (status, body) = await Client.DeployAsync($$"""{"service":"{{function}}","image":"{{image}}"{{more}}}""");
        Assert.True(status == 202, $"{status}: {body}\n{Daemon.Log}");
    }

    private async Task<string> BuildContextAsync(string name, string context)
    {
        File.Copy(Fwatchdog, Path.Combine(context, "fwatchdog"), overwrite: true);
        var image = $"stint-sample-{name}:1";
        (await StintAsync("image", "build", context, "--tag", image)).Good();
        return image;
    }

    private Task<Finished> StintAsync(params string[] arguments) => Programs.RunAsync([.. Programs.Stint, .. arguments, "--docker-host", engine.Address], _folder);
}
