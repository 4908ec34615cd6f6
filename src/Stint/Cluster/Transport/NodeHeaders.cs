namespace Stint.Cluster.Transport;

/// <summary>
/// What machines of a cluster say to each other in headers (docs/cluster.md, "Between machines"). Names that a machine does not know are ignored: that is how neighbouring versions speak to each other.
/// </summary>
internal static class NodeHeaders
{
    /// <summary>The version of the conversation, in every request and answer: <see cref="Version"/>.</summary>
    public const string Protocol = "stint-protocol";

    /// <summary>This program's version of it. A machine serves every version; one that cannot do what a newer one asks for says so.</summary>
    public const string Version = "1";

    /// <summary>The function, <c>name.module</c>.</summary>
    public const string Function = "stint-function";

    /// <summary>The number of the store's change that brought the version: the worker serves that one or a later one.</summary>
    public const string Change = "stint-change";

    /// <summary>The SHA3-256 of the version's folder.</summary>
    public const string Hash = "stint-hash";

    /// <summary>The number of the last change of a secret that the function names; 0 = it names none.</summary>
    public const string Secrets = "stint-secrets";

    /// <summary>The call's method.</summary>
    public const string Method = "stint-method";

    /// <summary>The call's path, percent-encoded.</summary>
    public const string Path = "stint-path";

    /// <summary>The call's query.</summary>
    public const string Query = "stint-query";

    /// <summary>The call's identity.</summary>
    public const string CallId = "stint-call-id";

    /// <summary>What remains of the caller's own limit, milliseconds.</summary>
    public const string Left = "stint-left";

    /// <summary>What the call may wait for at the worker: <see cref="NoWait"/>, <see cref="StartOnly"/>; anything else: its turn in the queue.</summary>
    public const string Wait = "stint-wait";

    /// <summary>An instance is free, or the call goes back (<see cref="RefusedBusy"/>).</summary>
    public const string NoWait = "no";

    /// <summary>As <see cref="NoWait"/>, or an instance is started for it.</summary>
    public const string StartOnly = "start";

    /// <summary>The caller's address.</summary>
    public const string From = "stint-from";

    /// <summary>The scheme of the URL that was called.</summary>
    public const string Scheme = "stint-scheme";

    /// <summary>The protocol that the caller wants to change to; only at <see cref="TunnelWire.Target"/>.</summary>
    public const string Upgrade = "stint-upgrade";

    /// <summary>Yes and no: <see cref="OwnCallId"/>, <see cref="TrustedProxy"/>; of an answer <see cref="OwnError"/>, <see cref="Overload"/>.</summary>
    public const string Flags = "stint-flags";

    /// <summary>The caller chose the call's identity.</summary>
    public const string OwnCallId = "own-id";

    /// <summary>The call came from a proxy that is trusted.</summary>
    public const string TrustedProxy = "trusted-proxy";

    /// <summary>The error is the function's own words.</summary>
    public const string OwnError = "own-error";

    /// <summary>It failed for want of capacity.</summary>
    public const string Overload = "overload";

    /// <summary>Before each header of a call or an answer.</summary>
    public const string Prefix = "f-";

    /// <summary>How the call ended: the name of an <see cref="Invocations.Outcome"/>.</summary>
    public const string Outcome = "stint-outcome";

    /// <summary>The function's own status; 101 when it agreed to change protocols.</summary>
    public const string Status = "stint-status";

    /// <summary>The length that an answer to <c>HEAD</c> announces.</summary>
    public const string Length = "stint-length";

    /// <summary>When to try again, milliseconds.</summary>
    public const string RetryAfter = "stint-retry-after";

    /// <summary>How the worker stands: running calls, free warm instances of the function, available memory in MiB and, when it is known, how long the function's calls take as a rule in milliseconds; with spaces.</summary>
    public const string Load = "stint-load";

    /// <summary>Nothing of the call has run, and why: <see cref="RefusedDraining"/>, <see cref="RefusedCode"/>, <see cref="RefusedBusy"/>. The body says it in words.</summary>
    public const string Refused = "stint-refused";

    /// <summary>The machine stops, and takes no more calls.</summary>
    public const string RefusedDraining = "draining";

    /// <summary>The machine does not have the function's code and could not get it, or cannot run it.</summary>
    public const string RefusedCode = "code";

    /// <summary>It would have to wait for longer than it may (<see cref="Wait"/>).</summary>
    public const string RefusedBusy = "busy";

    /// <summary>The request cannot be understood.</summary>
    public const string RefusedRequest = "request";

    /// <summary>The longest header block, bytes: that of a caller (32 KiB in Kestrel) and our own.</summary>
    public const int MaxHeaderBytes = 128 * 1024;
}
