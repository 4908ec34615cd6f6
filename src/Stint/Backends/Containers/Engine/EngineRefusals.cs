using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Stint.Backends.Containers.Engine;

/// <summary>What can go wrong with a call, as an <see cref="EngineException"/> with words for the user. The engine's texts were read off Docker 20.10 and newer and off Podman; a text that is not known leaves the status to speak.</summary>
internal static class EngineRefusals
{
    /// <summary>The engine answered with an error.</summary>
    /// <param name="body">The beginning of its body.</param>
    public static EngineException OfAnswer(EngineAddress address, in EngineCall call, HttpStatusCode status, ReadOnlySpan<byte> body)
    {
        var said = MessageOf(body);
        if (said is null && (int)status < 400) return NotAnEngine(address, call, $"status {(int)status}");
        var fault = FaultOf(call, status, said);
        return new EngineException(fault, WordsOf(fault, address, call, said ?? $"status {(int)status}")) { EngineMessage = said };
    }

    /// <summary>The engine reported an error in the middle of a stream, as builds and imports do.</summary>
    public static EngineException OfStream(EngineAddress address, in EngineCall call, string message)
    {
        var said = EngineText.Quote(message);
        var fault = KnownText(said) ?? EngineFault.Rejected;
        return new EngineException(fault, WordsOf(fault, address, call, said)) { EngineMessage = said };
    }

    /// <summary>No answer, or none that could be read.</summary>
    public static EngineException OfFault(EngineAddress address, in EngineCall call, Exception fault)
    {
        switch (fault)
        {
            case EngineException known:
                return known;
            case JsonException:
                return NotAnEngine(address, call, "something that is not of its API", fault);
            case OperationCanceledException { InnerException: TimeoutException }:
                return new(EngineFault.NoEngine, $"no container engine answers at {address}: no connection within {EngineLimits.Connect.TotalSeconds:0} s. {Mend(address)}", fault);
            case OperationCanceledException:
                return new(EngineFault.TooSlow, $"the container engine at {address} did not {call.Words} within {call.Limit.TotalSeconds:0} s. See its log (journalctl -u docker), and whether the machine is overloaded.", fault);
        }
        if (fault is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError })
            return new(EngineFault.NoPermission, $"the container engine at {address} and we do not agree on TLS: {Inmost(fault)}. See DOCKER_TLS_VERIFY and the certificates in DOCKER_CERT_PATH.", fault);
        if (fault is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded })
            return NotAnEngine(address, call, "something that is not HTTP as it should be", fault);
        if (ConnectFaultOf(fault) is not { } socket)
            return new(EngineFault.BrokeOff, $"the connection to the container engine at {address} ended before it could {call.Words} ({Inmost(fault)}). Does it run (docker info)? See its log (journalctl -u docker).", fault);
        if (socket == SocketError.AccessDenied)
            return new(EngineFault.NoPermission, $"this user may not use the container engine at {address}: permission denied. Add the user to the socket's group (sudo usermod -aG docker $USER, then log in again), or run as root. Whoever may use it is as good as root on its host.", fault);
        var why = address.SocketPath is { } path && !File.Exists(path) ? "there is no such socket" : Inmost(fault);
        return new(EngineFault.NoEngine, $"no container engine answers at {address}: {why}. {Mend(address)}", fault);
    }

    /// <summary>What came is no answer of an engine.</summary>
    public static EngineException NotAnEngine(EngineAddress address, in EngineCall call, string what, Exception? inner = null) =>
        new(EngineFault.Broken, $"what listens at {address} does not answer like a container engine ({what}, when asked to {call.Words}). Check the address; Docker Engine 20.10 and newer and Podman's socket are understood.", inner);

    private static string WordsOf(EngineFault fault, EngineAddress address, in EngineCall call, string said) => fault switch
    {
        EngineFault.NoPermission => $"the container engine at {address} does not permit to {call.Words}: {said}. See its authorization plugins.",
        EngineFault.NoImage => $"the container engine has no such image: {said}. Put it there first (docker pull, docker load, docker build); images are not pulled by themselves.",
        EngineFault.NoRuntime => $"the container engine lacks the runtime: {said}. Install it, register it with the engine (\"runtimes\" in /etc/docker/daemon.json), and restart the engine; docker info shows what it has.",
        EngineFault.NoContainer or EngineFault.NoNetwork or EngineFault.NoVolume or EngineFault.NoService => $"the container engine could not {call.Words}: {said}. Somebody else has removed it.",
        EngineFault.NoSwarm => $"the container engine at {address} is no manager of a swarm: {said} Make it one (docker swarm init), or name a manager in docker-host.",
        EngineFault.Overlap => $"the container engine could not {call.Words}: {said}. Choose addresses that no other network has (docker network inspect).",
        _ => $"the container engine could not {call.Words}: {said}",
    };

    private static EngineFault FaultOf(in EngineCall call, HttpStatusCode status, string? said) => KnownText(said) ?? (int)status switch
    {
        401 => EngineFault.NoPermission,
        404 => call.NotFound,
        409 => EngineFault.Conflict,
        >= 500 => EngineFault.Failed,
        _ => EngineFault.Rejected,
    };

    private static EngineFault? KnownText(string? said)
    {
        if (said is null) return null;
        if (Has("no such image") || Has("image not known") || Has("unable to find image") || Has("pull access denied")) return EngineFault.NoImage;
        if (Has("not a swarm manager") || Has("not part of a swarm") || Has("swarm is encrypted and needs to be unlocked") || Has("the swarm does not have a leader")) return EngineFault.NoSwarm;
        if (Has("no such container") || Has("no container with name or id") || Has("marked for removal")) return EngineFault.NoContainer;
        if (Has("unknown runtime specified") || Has("unknown or invalid runtime name") || Has("invalid runtime name") || Has("oci runtime \"") && Has("not found")) return EngineFault.NoRuntime;
        // The runtime is registered and its program is not there.
        if (Has("runtime") && (Has("executable file not found in $path") || Has("no such file or directory")) && (Has("fork/exec") || Has("unable to retrieve oci runtime error") || Has("failed to start shim"))) return EngineFault.NoRuntime;
        if (Has("pool overlaps") || Has("already used on the host") || Has("is being used by a network interface") || Has("conflicts with network") || Has("subnet is already used")) return EngineFault.Overlap;
        if (Has("authorization denied by plugin")) return EngineFault.NoPermission;
        // Podman answers 500 to names that are taken.
        if (Has("that name is already in use") || Has("network already exists") || Has("container state improper")) return EngineFault.Conflict;
        if (Has("has active endpoints") || Has("is being used by the following containers")) return EngineFault.Conflict;
        if (Has("no such network") || Has("network not found") || said.StartsWith("network ", StringComparison.OrdinalIgnoreCase) && said.EndsWith(" not found", StringComparison.Ordinal)) return EngineFault.NoNetwork;
        return null;

        bool Has(string text) => said.Contains(text, StringComparison.OrdinalIgnoreCase);
    }

    private static string? MessageOf(ReadOnlySpan<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, EngineJson.Default.EngineError) is { Message: { Length: > 0 } message } ? EngineText.Quote(message) : null;
        }
        catch (JsonException)
        {
            // The status says enough.
            return null;
        }
    }

    private static SocketError? ConnectFaultOf(Exception fault) => fault switch
    {
        // .NET 10 shows a server that goes while somebody connects as a bare SocketException.
        SocketException bare => bare.SocketErrorCode,
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => SocketError.HostNotFound,
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } failed => (failed.InnerException as SocketException)?.SocketErrorCode ?? SocketError.SocketError,
        _ => null,
    };

    private static string Inmost(Exception fault)
    {
        while (fault.InnerException is { } inner) fault = inner;
        return EngineText.Quote(fault.Message).TrimEnd('.');
    }

    private static string Mend(EngineAddress address) => address.SocketPath is null
        ? "Check DOCKER_HOST, and that the engine listens there."
        : "Install and start one (apt-get install docker.io; systemctl start docker), or name another in DOCKER_HOST.";
}
