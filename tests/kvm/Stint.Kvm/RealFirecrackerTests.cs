using Stint.EndToEnd.Vms;

namespace Stint.Kvm;

/// <summary>The images are made once for this project's tests as well; collections do not reach over projects.</summary>
[CollectionDefinition(VmCollection.Name)]
public sealed class KvmCollection : ICollectionFixture<VmGuests>;

/// <summary>The conversation with the real Firecracker.</summary>
public sealed class RealFirecrackerTests(VmGuests guests) : FirecrackerCases(guests)
{
    /// <inheritdoc/>
    protected override string Program => Environment.GetEnvironmentVariable("FIRECRACKER_EXE") ?? "/usr/local/bin/firecracker";

    /// <inheritdoc/>
    protected override string Kvm => "probe";

    /// <inheritdoc/>
    protected override int Memory => 192;
}
