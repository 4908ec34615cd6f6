using System.Net;
using Stint.Functions;

namespace Stint.Backends.Vms;

/// <summary>Fills in UniFaaS's substitutions.</summary>
internal static class KernelCommandLine
{
    /// <summary>The command line of one instance.</summary>
    /// <param name="template"><c>cmdline</c> of the specification.</param>
    /// <param name="guest"><c>%ip</c>.</param>
    /// <param name="gateway"><c>%gateway</c>.</param>
    /// <param name="netmask"><c>%netmask</c>.</param>
    /// <param name="callback"><c>%callback</c>.</param>
    public static string Fill(string template, IPAddress guest, IPAddress gateway, IPAddress netmask, string callback) => template
        .Replace("%ip", guest.ToString(), StringComparison.Ordinal)
        .Replace("%gateway", gateway.ToString(), StringComparison.Ordinal)
        .Replace("%netmask", netmask.ToString(), StringComparison.Ordinal)
        .Replace(VmSpec.CallbackPlaceholder, callback, StringComparison.Ordinal);
}
