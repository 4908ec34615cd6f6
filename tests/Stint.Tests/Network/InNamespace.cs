using System.Diagnostics;
using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>Programs inside a namespace that a test has made.</summary>
internal static class InNamespace
{
    /// <summary>Runs a script of nft there; it must be taken.</summary>
    public static async Task NftAsync(NetworkNamespace space, string script)
    {
        var start = new ProcessStartInfo("nsenter", [$"--net=/proc/{Environment.ProcessId}/fd/{space.File.DangerousGetHandle()}", "--", "nft", "-f", "-"]) { RedirectStandardInput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(script);
        process.StandardInput.Close();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, error);
    }
}
