namespace Stint.Pools;

/// <summary>
/// What a decision under a pool's lock entails outside it. Empty for a warm call, which therefore allocates nothing here.
/// </summary>
internal struct Consequences
{
    /// <summary>Calls whose <see cref="Call.Answer"/> is to be told, in this order.</summary>
    public List<Call>? Woken;

    /// <summary>Instances to start.</summary>
    public List<PooledInstance>? Started;

    /// <summary>Starts that nobody wants any more.</summary>
    public List<PooledInstance>? Abandoned;

    /// <summary>Instances to ask whether they are well.</summary>
    public List<PooledInstance>? Probed;

    /// <summary>Instances to dispose of.</summary>
    public List<PooledInstance>? Disposed;

    /// <summary>Deployments that have ended, and how: null = it serves.</summary>
    public List<(Deployment Deployment, string? Problem)>? Deployed;

    /// <summary>Others may be able to start now, or this pool needs room.</summary>
    public bool Settles;

    /// <summary>The pool is closed and holds nothing any more.</summary>
    public bool Emptied;

    /// <summary>Adds a call to <see cref="Woken"/>.</summary>
    public void Wake(Call call, Lease answer)
    {
        call.Answer = answer;
        (Woken ??= []).Add(call);
    }

    /// <summary>Adds a deployment to <see cref="Deployed"/>.</summary>
    public void EndDeployment(Deployment deployment, string? problem) => (Deployed ??= []).Add((deployment, problem));
}
