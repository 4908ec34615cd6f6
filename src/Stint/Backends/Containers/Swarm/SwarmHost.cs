using Stint.Backends.Containers.Engine;
using Stint.Functions;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Containers.Swarm;

/// <summary>What all services of a daemon share, and which there are.</summary>
internal sealed class SwarmHost : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ServiceKey, FunctionService> _services = [];
    private readonly Dictionary<FunctionName, FunctionVersion> _serving = [];
    private readonly FunctionSecrets _secrets;

    /// <summary>Puts it together; the engine is not asked for anything yet.</summary>
    public SwarmHost(SwarmOptions options, EngineClient engine, FunctionSecrets secrets, FunctionLogs logs, TimeProvider time, ILogger logger)
    {
        (Options, Engine, _secrets, Logs, Time, Logger) = (options, engine, secrets, logs, time, logger);
        Network = new SwarmNetwork(engine, options);
        Secrets = new SwarmSecrets(engine, secrets, options.Daemon);
        Watch = new SwarmWatch(this);
    }

    /// <summary>The settings.</summary>
    public SwarmOptions Options { get; }

    /// <summary>A manager of the swarm.</summary>
    public EngineClient Engine { get; }

    /// <summary>Functions' secrets at the swarm.</summary>
    public SwarmSecrets Secrets { get; }

    /// <summary>The functions' logs.</summary>
    public FunctionLogs Logs { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>For what an operator should know.</summary>
    public ILogger Logger { get; }

    /// <summary>The functions' network.</summary>
    public SwarmNetwork Network { get; }

    /// <summary>How tasks are.</summary>
    public SwarmWatch Watch { get; }

    /// <summary>The daemon is about to end: services stay as they are, with as many replicas.</summary>
    public bool IsLeaving { get; private set; }

    /// <inheritdoc cref="IsLeaving"/>
    public void Leave() => IsLeaving = true;

    /// <summary>The services that are known.</summary>
    public IReadOnlyList<FunctionService> Services()
    {
        lock (_lock) return [.. _services.Values];
    }

    /// <summary>A function serves this version from now on, or is about to.</summary>
    public void Serve(FunctionVersion version)
    {
        lock (_lock)
        {
            _serving[version.Name] = version;
            foreach (var service in _services.Values)
                if (service.Key.Function == version.Name) service.Doubt();
        }
    }

    /// <summary>Whether a service is that of the version that its function serves.</summary>
    public bool IsServing(ServiceKey key)
    {
        lock (_lock) return _serving.TryGetValue(key.Function, out var version) && KeyOf(version) == key;
    }

    /// <summary>The service of a version as it and its secrets are now, with a start announced.</summary>
    public (FunctionService Service, ServiceStart Start) Enlist(FunctionVersion version)
    {
        lock (_lock)
        {
            var service = Find_NeedsLock(version);
            return (service, service.Enlist());
        }
    }

    /// <summary>Takes over a service that an earlier daemon left, if it is that of this version.</summary>
    public bool TryAdopt(FunctionVersion version, ServiceDetails found)
    {
        lock (_lock)
        {
            if (found.Spec.Labels.GetValueOrDefault(SwarmLabels.Revision) != KeyOf(version).Revision) return false;
            Find_NeedsLock(version).Adopt(found);
            return true;
        }
    }

    /// <summary>Forgets services of a function that is gone.</summary>
    public async Task ForgetAsync(FunctionName function)
    {
        List<FunctionService> gone;
        lock (_lock)
        {
            _serving.Remove(function);
            gone = [.. _services.Values.Where(service => service.Key.Function == function)];
        }
        foreach (var service in gone)
        {
            await service.RemoveAsync(CancellationToken.None).ConfigureAwait(false);
            lock (_lock)
                if (service.IsUnused) _services.Remove(service.Key);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Watch.DisposeAsync().ConfigureAwait(false);
        foreach (var service in Services()) await service.DisposeAsync().ConfigureAwait(false);
        Network.Dispose();
        Engine.Dispose();
    }

    private ServiceKey KeyOf(FunctionVersion version) => ServiceKey.Of(version, _secrets.Stamp(version), Network.Known?.IsPublished ?? true);

    private FunctionService Find_NeedsLock(FunctionVersion version)
    {
        var key = KeyOf(version);
        if (!_services.TryGetValue(key, out var service))
        {
            // Of versions that are gone nobody asks again, and they would be many in the course of time.
            foreach (var old in _services.Values.Where(old => old.Key.Function == version.Name && old is { Id: null, IsUnused: true }).ToList()) _services.Remove(old.Key);
            _services[key] = service = new FunctionService(this, key, version);
        }
        return service;
    }
}
