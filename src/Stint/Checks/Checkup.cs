namespace Stint.Checks;

/// <summary>All checks, for <c>stint doctor</c> and for the daemon's start.</summary>
internal static class Checkup
{
    private static readonly ICheck[] All =
    [
        new SandboxCheck(),
        new UserNamespacesCheck(),
        new SetprivCheck(),
        new SeccompCheck(),
        new CgroupsCheck(),
        new Python3Check(),
        new PipCheck(),
        new NodeJsCheck(),
        new NpmCheck(),
        new FunctionNetworkCheck(),
        new TunCheck(),
        new MqttCheck(),
        new ContainersCheck(),
        new PortsCheck(),
        new FolderCheck("registry folder", scope => scope.Registry),
        new FolderCheck("state folder", scope => scope.State),
        new SqliteCheck(),
        new DiskSpaceCheck(),
        new MemoryCheck(),
    ];

    // They start guests, which takes a moment.
    private static readonly ICheck[] OfVirtualMachines = [new QemuCheck(), new KvmCheck(), new FirecrackerCheck()];

    /// <summary>Runs every check at the same time; results in a fixed order.</summary>
    public static async Task<IReadOnlyList<CheckResult>> RunAsync(CheckScope scope, CancellationToken cancellationToken) =>
        await Task.WhenAll(All.Concat(scope.WithVirtualMachines ? OfVirtualMachines : []).Select(check => check.RunAsync(scope, cancellationToken)));

    /// <summary>Whether a function of at least one language can run.</summary>
    public static bool CanRunFunctions(IReadOnlyList<CheckResult> results)
    {
        return !Lacks(Concern.Everything) && !(Lacks(Concern.Python3) && Lacks(Concern.NodeJs));

        bool Lacks(Concern concern) => results.Any(result => result.Concern == concern && result.Status is CheckStatus.Missing);
    }
}
