using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>A package tool failed, took too long or wrote too much. The message ends with the last lines of its output.</summary>
internal sealed class BuildFailedException(string message) : DeploymentException(DeploymentFault.BuildFailed, message);
