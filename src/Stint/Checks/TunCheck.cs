using Stint.Network.Netlink;

namespace Stint.Checks;

/// <summary>/dev/net/tun, through which taps are made: for virtual machines, and by slirp4netns and pasta.</summary>
internal sealed class TunCheck : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Problem() is not { } problem) return Task.FromResult(new CheckResult("taps", CheckStatus.Fine, $"{TapDevice.ControlFile} opens.", null, Concern.Comfort));
        var cure = !File.Exists(TapDevice.ControlFile) ? "modprobe tun; in a container: docker run --device /dev/net/tun"
            : $"{(Environment.IsPrivilegedProcess ? "" : "sudo ")}chmod 666 {TapDevice.ControlFile}";
        return Task.FromResult(new CheckResult("taps", CheckStatus.Degraded, problem, cure, Concern.Comfort));
    }

    /// <summary>Why it cannot be opened; null when it can. Opening makes nothing.</summary>
    public static string? Problem()
    {
        try
        {
            using var file = File.OpenHandle(TapDevice.ControlFile, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return $"{TapDevice.ControlFile} cannot be opened: {failure.Message}";
        }
    }
}
