namespace Stint.Functions.Deployments;

/// <summary>One line of what a deployment says while it goes on.</summary>
/// <param name="Kind">Whose words these are.</param>
/// <param name="Text">The line.</param>
internal readonly record struct DeploymentProgress(ProgressKind Kind, string Text);

/// <summary>Whose words a line of progress is.</summary>
internal enum ProgressKind
{
    /// <summary>Ours: what happens now.</summary>
    Step,

    /// <summary>A build tool's.</summary>
    Output,
}
