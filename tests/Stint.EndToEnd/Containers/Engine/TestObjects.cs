using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>What one test makes at the engine, under a label of its own; removed after it.</summary>
internal sealed class TestObjects(TestEngine engine) : IAsyncDisposable
{
    private const string LabelName = "stint.test";
    private readonly string _id = Guid.NewGuid().ToString("N");

    /// <summary>The test's label.</summary>
    public IReadOnlyDictionary<string, string> Labels => new Dictionary<string, string> { [LabelName] = _id };

    /// <summary>Finds what has it.</summary>
    public EngineFilters Filters() => EngineFilters.Label(LabelName, _id);

    /// <summary>A container of the busybox image whose shell runs <paramref name="script"/>; it ends at once when it is signalled.</summary>
    public async Task<string> CreateAsync(string script, Func<ContainerSettings, ContainerSettings>? change = null)
    {
        var settings = new ContainerSettings
        {
            Image = await engine.Images.MakeAsync("stint-test/busybox:latest"), Cmd = ["/bin/sh", "-c", script], Labels = Labels, HostConfig = new HostConfig { Init = true, NetworkMode = "none" },
        };
        return (await engine.Client.Containers.CreateAsync(null, change is null ? settings : change(settings), default)).Id;
    }

    /// <summary>The same, and starts it.</summary>
    public async Task<string> StartAsync(string script, Func<ContainerSettings, ContainerSettings>? change = null)
    {
        var id = await CreateAsync(script, change);
        await engine.Client.Containers.StartAsync(id, default);
        return id;
    }

    /// <summary>All that a container wrote until it ended, as text.</summary>
    public async Task<(string Stdout, string Stderr)> OutputAsync(string id)
    {
        using var stdout = new MemoryStream();
        using var stderr = new MemoryStream();
        await using var output = await engine.Client.Containers.OpenLogsAsync(id, new LogsQuery { Follow = true }, default);
        while (await output.ReadAsync(default) is { } piece) (piece.Kind is OutputKind.Stderr ? stderr : stdout).Write(piece.Bytes.Span);
        return (System.Text.Encoding.UTF8.GetString(stdout.ToArray()), System.Text.Encoding.UTF8.GetString(stderr.ToArray()));
    }

    /// <summary>Waits until a container's processes write into their log.</summary>
    public Task WaitForOutputAsync(string id, string text) => Retry.UntilAsync($"the container writes '{text}'", async () =>
    {
        await using var output = await engine.Client.Containers.OpenLogsAsync(id, default, default);
        var all = new System.Text.StringBuilder();
        while (await output.ReadAsync(default) is { } piece) all.Append(System.Text.Encoding.UTF8.GetString(piece.Bytes.Span));
        return all.ToString().Contains(text, StringComparison.Ordinal);
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var container in await engine.Client.Containers.ListAsync(Filters(), default)) await engine.Client.Containers.RemoveAsync(container.Id, default);
        foreach (var network in await engine.Client.Networks.ListAsync(Filters(), default)) await engine.Client.Networks.RemoveAsync(network.Id, default);
        foreach (var image in await engine.Client.Images.ListAsync(Filters(), default)) await engine.Client.Images.RemoveAsync(image.Id, force: true, default);
    }
}
