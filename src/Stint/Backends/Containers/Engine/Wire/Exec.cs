namespace Stint.Backends.Containers.Engine;

/// <summary>A command to be run in a container that runs.</summary>
internal sealed record ExecSettings
{
    /// <summary>The command.</summary>
    public required IReadOnlyList<string> Cmd { get; init; }

    /// <summary>As <c>NAME=VALUE</c>.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>As whom.</summary>
    public string? User { get; init; }

    /// <summary>In which folder.</summary>
    public string? WorkingDir { get; init; }

    /// <summary>Its standard output is wanted.</summary>
    public bool AttachStdout { get; init; } = true;

    /// <summary>Its standard error is wanted.</summary>
    public bool AttachStderr { get; init; } = true;
}

/// <summary>How a command in a container is started.</summary>
/// <param name="Detach">Its output is not wanted.</param>
internal sealed record ExecStart(bool Detach);

/// <summary>The answer to a command's creation.</summary>
internal sealed record CreatedExec
{
    /// <summary>The command's id.</summary>
    public required string Id { get; init; }
}

/// <summary>A command in a container.</summary>
internal sealed record ExecDetails
{
    /// <summary>It runs.</summary>
    public bool Running { get; init; }

    /// <summary>Null while it runs.</summary>
    public int? ExitCode { get; init; }
}
