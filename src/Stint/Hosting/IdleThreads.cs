namespace Stint.Hosting;

/// <summary>What threads of the pool do when there is no work: sleep at once, or look for some for a few microseconds first.</summary>
internal static class IdleThreads
{
    private const string Setting = "System.Threading.ThreadPool.UnfairSemaphoreSpinLimit";
    private const string Variable = "DOTNET_ThreadPool_UnfairSemaphoreSpinLimit";

    /// <summary>.NET's own limit, which Stint.csproj sets to 0.</summary>
    private const string Limit = "70";

    /// <summary>
    /// Has them look first. A call that goes to another machine or comes from one changes threads several times there (docs/decisions/0007-inline.md), and to wake one that sleeps takes longer than all the rest.
    /// Only before the pool's first work, and not where the only processor would be kept from that work. What somebody has set in the environment is left.
    /// </summary>
    public static void SpinFirst()
    {
        if (Environment.ProcessorCount == 1 || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable))) return;
        Environment.SetEnvironmentVariable(Variable, Limit);
        AppContext.SetData(Setting, Limit);
    }
}
