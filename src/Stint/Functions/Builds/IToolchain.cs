using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>The interpreters and package tools of builds: this host's, or those of images.</summary>
internal interface IToolchain
{
    /// <summary>The Python interpreter: a path, or a name that is looked for where the build runs.</summary>
    /// <exception cref="DeploymentException">There is none.</exception>
    string Python3 { get; }

    /// <summary>The Node.js interpreter, likewise.</summary>
    /// <exception cref="DeploymentException">There is none.</exception>
    string NodeJs { get; }

    /// <summary>npm, likewise.</summary>
    /// <exception cref="DeploymentException">There is none.</exception>
    string Npm { get; }

    /// <summary>What to do about a Python without pip; completes "cannot install Python dependencies: …".</summary>
    string NoPip { get; }

    /// <summary>Identifies the interpreter: what was built with one is not used with another.</summary>
    /// <exception cref="DeploymentException">There is none, or it does not run.</exception>
    Task<string> VersionAsync(Runtime runtime, CancellationToken cancellationToken);
}
