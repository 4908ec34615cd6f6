using System.Runtime.InteropServices;

namespace Stint.Network.Netlink;

/// <summary>The kernel refused a change of the network, or its answer cannot be understood. The message says what was tried, and why it did not work in the kernel's words.</summary>
internal sealed class NetlinkException : IOException
{
    /// <summary>The kernel refused.</summary>
    /// <param name="operation">What was tried: "make the link faas0".</param>
    /// <param name="error">errno, positive.</param>
    /// <param name="detail">What the kernel added (NLMSGERR_ATTR_MSG), if anything.</param>
    public NetlinkException(string operation, int error, string? detail = null)
        : base($"cannot {operation}: {Marshal.GetPInvokeErrorMessage(error)}{(string.IsNullOrEmpty(detail) ? "" : $" ({detail})")}{Cure(error)}") => Error = error;

    /// <summary>The answer is not one.</summary>
    public NetlinkException(string operation, string problem) : base($"cannot {operation}: {problem}")
    {
    }

    /// <summary>errno; zero when the answer was not understood.</summary>
    public int Error { get; }

    private static string Cure(int error) => error == LinuxCalls.ErrorNotPermitted ? "; this needs CAP_NET_ADMIN" : "";
}
