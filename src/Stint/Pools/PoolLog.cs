using Stint.Invocations;

namespace Stint.Pools;

/// <summary>What pools tell the daemon's log; nothing per request.</summary>
internal static partial class PoolLog
{
    [LoggerMessage(300, LogLevel.Debug, "{Function}: instance {Instance} ready after {Milliseconds} ms")]
    public static partial void InstanceReady(ILogger logger, FunctionName function, string instance, long milliseconds);

    [LoggerMessage(301, LogLevel.Warning, "{Function}: an instance did not start: {Error}")]
    public static partial void StartFailed(ILogger logger, FunctionName function, string error);

    [LoggerMessage(302, LogLevel.Error, "{Function}: the backend failed in a way that it should not")]
    public static partial void BackendFault(ILogger logger, Exception exception, FunctionName function);

    [LoggerMessage(303, LogLevel.Warning, "{Function}: instance {Instance} died: {Reason}")]
    public static partial void InstanceDied(ILogger logger, FunctionName function, string instance, string reason);

    [LoggerMessage(304, LogLevel.Warning, "{Function}: instance {Instance} did not let go of a cancelled call within {Grace}; it is killed")]
    public static partial void InstanceStuck(ILogger logger, FunctionName function, string instance, string grace);

    [LoggerMessage(307, LogLevel.Warning, "{Function}: instance {Instance} did not answer its health probe within {Limit}; it is killed")]
    public static partial void InstanceUnwell(ILogger logger, FunctionName function, string instance, string limit);

    [LoggerMessage(305, LogLevel.Information, "{Function}: version {Version} serves")]
    public static partial void Deployed(ILogger logger, FunctionName function, string version);

    [LoggerMessage(306, LogLevel.Warning, "{Function}: version {Version} does not serve: {Problem}")]
    public static partial void NotDeployed(ILogger logger, FunctionName function, string version, string problem);
}
