namespace Stint.Backends.Containers.Engine;

/// <summary>Calls about networks.</summary>
internal sealed class NetworkCalls(EngineTransport transport)
{
    /// <summary>Makes a network. <see cref="EngineFault.Overlap"/> = its addresses are another's; <see cref="EngineFault.Conflict"/> = its name is.</summary>
    /// <returns>Its id.</returns>
    public async Task<string> CreateAsync(NetworkSettings settings, CancellationToken cancellationToken)
    {
        var call = new EngineCall(HttpMethod.Post, "/networks/create", "create the network", settings.Name) { Body = EngineCall.Json(settings, EngineJson.Default.NetworkSettings), Limit = EngineLimits.Change };
        return (await transport.AskAsync(call, EngineJson.Default.CreatedNetwork, cancellationToken)).Id;
    }

    /// <summary>All that is known of it, its containers included.</summary>
    public Task<NetworkDetails> InspectAsync(string id, CancellationToken cancellationToken) =>
        transport.AskAsync(Of(HttpMethod.Get, id, "", "look at the network"), EngineJson.Default.NetworkDetails, cancellationToken);

    /// <summary>Networks.</summary>
    /// <param name="filters">Only these; null = all.</param>
    public Task<IReadOnlyList<NetworkDetails>> ListAsync(EngineFilters? filters, CancellationToken cancellationToken) =>
        transport.AskAsync(new(HttpMethod.Get, new EnginePath("/networks").With("filters", filters).ToString(), "list networks"), EngineJson.Default.IReadOnlyListNetworkDetails, cancellationToken);

    /// <summary>Removes it. <see cref="EngineFault.Conflict"/> = a container is in it.</summary>
    /// <returns>False = it was gone.</returns>
    public async Task<bool> RemoveAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            await transport.DoAsync(Of(HttpMethod.Delete, id, "", "remove the network") with { Limit = EngineLimits.Change }, cancellationToken);
            return true;
        }
        catch (EngineException gone) when (gone.Fault is EngineFault.NoNetwork)
        {
            return false;
        }
    }

    /// <summary>Lets a container join.</summary>
    /// <param name="endpoint">Its addresses; null = the engine chooses.</param>
    public Task ConnectAsync(string id, string container, EndpointSettings? endpoint, CancellationToken cancellationToken) => transport.DoAsync(
        Of(HttpMethod.Post, id, "/connect", "let a container join the network") with { Body = Membership(new() { Container = container, EndpointConfig = endpoint }), Limit = EngineLimits.Change }, cancellationToken);

    /// <summary>Makes a container leave, even one that runs.</summary>
    public Task DisconnectAsync(string id, string container, CancellationToken cancellationToken) => transport.DoAsync(
        Of(HttpMethod.Post, id, "/disconnect", "make a container leave the network") with { Body = Membership(new() { Container = container, Force = true }), Limit = EngineLimits.Change }, cancellationToken);

    private static HttpContent Membership(NetworkMembership membership) => EngineCall.Json(membership, EngineJson.Default.NetworkMembership);

    private static EngineCall Of(HttpMethod method, string id, string rest, string verb) => new(method, $"/networks/{EngineText.Id(id)}{rest}", verb, id) { NotFound = EngineFault.NoNetwork };
}
