namespace Stint.Pools;

/// <summary>What one pool holds of the host and what it would like. Guarded by the <see cref="HostBudget"/>'s lock.</summary>
internal sealed class BudgetAccount(FunctionPool pool)
{
    /// <summary>Whose account it is.</summary>
    public FunctionPool Pool { get; } = pool;

    /// <summary>Memory promised to its instances, MiB.</summary>
    public int HeldMiB { get; set; }

    /// <summary>Its instances.</summary>
    public int Held { get; set; }

    /// <summary>Starts that calls (or a deployment) wait for and that found no room.</summary>
    public int Urgent { get; set; }

    /// <summary>Starts that would only keep instances warm: they take free room and never anybody's place.</summary>
    public int Warm { get; set; }

    /// <summary>Memory of one of these starts, MiB.</summary>
    public int NeedMiB { get; set; }

    /// <summary>Since when <see cref="Urgent"/> has been positive without a start; on the budget's clock.</summary>
    public TimeSpan HungrySince { get; set; }

    /// <summary>When it last took room for a start; on the budget's clock.</summary>
    public TimeSpan TookAt { get; set; }
}
