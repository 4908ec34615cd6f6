using System.Text.Json.Nodes;

namespace Stint.Backends.Containers.Engine;

/// <summary>Calls about a swarm's services, tasks, nodes and secrets. <see cref="EngineFault.NoSwarm"/> = the engine is not one of its managers.</summary>
internal sealed class ServiceCalls(EngineTransport transport)
{
    // Whoever else changes a service meanwhile (the swarm itself does, too) makes an update one of an old version: it is asked for anew. Arbitrary.
    private const int Tries = 5;

    /// <summary>Makes a service. <see cref="EngineFault.Conflict"/> = its name is taken.</summary>
    /// <returns>Its id.</returns>
    public async Task<string> CreateAsync(ServiceSettings settings, CancellationToken cancellationToken)
    {
        var call = new EngineCall(HttpMethod.Post, "/services/create", "create the service", settings.Name) { Body = EngineCall.Json(settings, EngineJson.Default.ServiceSettings), Limit = EngineLimits.Change };
        return (await transport.AskAsync(call, EngineJson.Default.CreatedObject, cancellationToken)).ID;
    }

    /// <summary>Services.</summary>
    public Task<IReadOnlyList<ServiceDetails>> ListAsync(EngineFilters filters, CancellationToken cancellationToken) => transport.AskAsync(
        new(HttpMethod.Get, new EnginePath("/services").With("filters", filters).ToString(), "list services"), EngineJson.Default.IReadOnlyListServiceDetails, cancellationToken);

    /// <summary>Changes how many tasks a service has, and nothing else of it. <see cref="EngineFault.NoService"/> = it is gone.</summary>
    public async Task ScaleAsync(string id, int replicas, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            // As the engine has it, with all that somebody changed by hand.
            var service = await transport.AskAsync(Of(HttpMethod.Get, id, "", "look at the service"), EngineJson.Default.JsonObject, cancellationToken);
            if (service["Spec"] is not JsonObject spec || spec["Mode"]?["Replicated"] is not JsonObject replicated || service["Version"]?["Index"] is not JsonValue index || !index.TryGetValue(out long version))
                throw new EngineException(EngineFault.Rejected, $"the service {EngineText.Short(id)} has no number of replicas that could be changed. Remove it (docker service rm), and it is made anew.");
            if (replicated["Replicas"] is JsonValue now && now.TryGetValue(out long present) && present == replicas) return;
            replicated["Replicas"] = JsonValue.Create(replicas);
            try
            {
                var path = new EnginePath("/update").With("version", version);
                await transport.DoAsync(Of(HttpMethod.Post, id, path.ToString(), "scale the service") with { Body = EngineCall.Json(spec, EngineJson.Default.JsonObject), Limit = EngineLimits.Change }, cancellationToken);
                return;
            }
            catch (EngineException old) when (tries < Tries && old.EngineMessage?.Contains("out of sequence", StringComparison.Ordinal) == true)
            {
                // again, with what it is now
            }
        }
    }

    /// <summary>Removes a service with its tasks.</summary>
    /// <returns>False = it was gone.</returns>
    public Task<bool> RemoveAsync(string id, CancellationToken cancellationToken) =>
        TryAsync(transport.DoAsync(Of(HttpMethod.Delete, id, "", "remove the service") with { Limit = EngineLimits.Change }, cancellationToken), EngineFault.NoService);

    /// <summary>Tasks, those of the recent past among them.</summary>
    public Task<IReadOnlyList<TaskDetails>> ListTasksAsync(EngineFilters filters, CancellationToken cancellationToken) => transport.AskAsync(
        new(HttpMethod.Get, new EnginePath("/tasks").With("filters", filters).ToString(), "list tasks"), EngineJson.Default.IReadOnlyListTaskDetails, cancellationToken);

    /// <summary>The swarm's nodes.</summary>
    public Task<IReadOnlyList<NodeDetails>> ListNodesAsync(CancellationToken cancellationToken) =>
        transport.AskAsync(new(HttpMethod.Get, "/nodes", "list nodes"), EngineJson.Default.IReadOnlyListNodeDetails, cancellationToken);

    /// <summary>What all tasks of a service print, from whichever node, each message with its moment and its task.</summary>
    /// <param name="since">Nanoseconds since 1970 by the engine's clock; null = from the beginning.</param>
    public async Task<OutputReader> FollowLogsAsync(string id, long? since, CancellationToken cancellationToken)
    {
        var path = new EnginePath("/logs").With("stdout", true).With("stderr", true).With("follow", true).With("timestamps", true).With("details", true)
            .With("since", since is { } moment ? EngineTime.Format(moment) : null);
        return new OutputReader(await transport.OpenAsync(Of(HttpMethod.Get, id, path.ToString(), "read the output of") with { Limit = Timeout.InfiniteTimeSpan }, cancellationToken), isTerminal: false);
    }

    /// <summary>Makes a secret, which lies encrypted in the managers' store and in the memory of nodes that run tasks with it.</summary>
    /// <returns>Its id.</returns>
    public async Task<string> CreateSecretAsync(SecretSettings settings, CancellationToken cancellationToken)
    {
        var call = new EngineCall(HttpMethod.Post, "/secrets/create", "create the secret", settings.Name) { Body = EngineCall.Json(settings, EngineJson.Default.SecretSettings), Limit = EngineLimits.Change };
        return (await transport.AskAsync(call, EngineJson.Default.CreatedObject, cancellationToken)).ID;
    }

    /// <summary>Secrets, without their values.</summary>
    public Task<IReadOnlyList<SecretDetails>> ListSecretsAsync(EngineFilters filters, CancellationToken cancellationToken) => transport.AskAsync(
        new(HttpMethod.Get, new EnginePath("/secrets").With("filters", filters).ToString(), "list secrets"), EngineJson.Default.IReadOnlyListSecretDetails, cancellationToken);

    /// <summary>Removes a secret. <see cref="EngineFault.Rejected"/> = a service needs it.</summary>
    /// <returns>False = it was gone.</returns>
    public Task<bool> RemoveSecretAsync(string id, CancellationToken cancellationToken) => TryAsync(
        transport.DoAsync(new(HttpMethod.Delete, $"/secrets/{EngineText.Id(id)}", "remove the secret", id) { Limit = EngineLimits.Change, NotFound = EngineFault.NoService }, cancellationToken), EngineFault.NoService);

    private static EngineCall Of(HttpMethod method, string id, string rest, string verb) => new(method, $"/services/{EngineText.Id(id)}{rest}", verb, id) { NotFound = EngineFault.NoService };

    private static async Task<bool> TryAsync(Task call, EngineFault harmless)
    {
        try
        {
            await call;
            return true;
        }
        catch (EngineException failure) when (failure.Fault == harmless)
        {
            return false;
        }
    }
}
