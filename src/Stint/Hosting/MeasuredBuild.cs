using Stint.Functions.Builds;
using Stint.Telemetry;

namespace Stint.Hosting;

/// <summary>Measures how long build commands run, wherever they do.</summary>
internal sealed class MeasuredBuild(IBuildSandbox inner, TimeProvider time) : IBuildSandbox
{
    /// <summary>Durations of build commands, failed ones included.</summary>
    public Histogram Durations { get; } = new();

    /// <inheritdoc/>
    public string SeenAs(string workFolder) => inner.SeenAs(workFolder);

    /// <inheritdoc/>
    public async Task<BuildExit> RunAsync(BuildCommand command, Action<string> onLine, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        try
        {
            return await inner.RunAsync(command, onLine, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Durations.Record(time.GetElapsedTime(started));
        }
    }
}
