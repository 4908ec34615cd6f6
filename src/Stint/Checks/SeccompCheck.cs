using System.Runtime.InteropServices;

namespace Stint.Checks;

/// <summary>The filter of system calls is compiled by libseccomp, which is loaded when the daemon starts.</summary>
internal sealed class SeccompCheck : ICheck
{
    private const string Library = "libseccomp.so.2";

    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (!NativeLibrary.TryLoad(Library, out var handle))
            return Task.FromResult(new CheckResult("seccomp", CheckStatus.Missing, $"{Library} cannot be loaded.", Packages.Install("libseccomp2", "libseccomp", "libseccomp", "libseccomp"), Concern.Everything));
        NativeLibrary.Free(handle);
        return Task.FromResult(new CheckResult("seccomp", CheckStatus.Fine, $"{Library} loads.", null, Concern.Everything));
    }
}
