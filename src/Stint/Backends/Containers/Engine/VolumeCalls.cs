namespace Stint.Backends.Containers.Engine;

/// <summary>Calls about volumes.</summary>
internal sealed class VolumeCalls(EngineTransport transport)
{
    /// <summary>Volumes.</summary>
    /// <param name="filters">Only these; null = all.</param>
    public async Task<IReadOnlyList<VolumeSummary>> ListAsync(EngineFilters? filters, CancellationToken cancellationToken) => (await transport.AskAsync(
        new(HttpMethod.Get, new EnginePath("/volumes").With("filters", filters).ToString(), "list volumes"), EngineJson.Default.VolumeList, cancellationToken)).Volumes;

    /// <summary>Removes it. <see cref="EngineFault.Conflict"/> = a container uses it.</summary>
    /// <returns>False = it was gone.</returns>
    public async Task<bool> RemoveAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            await transport.DoAsync(new(HttpMethod.Delete, $"/volumes/{EngineText.Id(name)}", "remove the volume", name) { Limit = EngineLimits.Change, NotFound = EngineFault.NoVolume }, cancellationToken);
            return true;
        }
        catch (EngineException gone) when (gone.Fault is EngineFault.NoVolume)
        {
            return false;
        }
    }
}
