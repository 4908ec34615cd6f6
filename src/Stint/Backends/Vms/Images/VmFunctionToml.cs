using System.Globalization;
using System.Security.Cryptography;
using Stint.Functions;
using Stint.Functions.Specification;

namespace Stint.Backends.Vms.Images;

/// <summary>The <c>function.toml</c> of an image that was made of a process function: what the function's own said of calls and instances, and <c>[vm]</c> in place of <c>[process]</c>.</summary>
internal static class VmFunctionToml
{
    /// <summary>
    /// The kernel's command line for our guests. panic and reboot: a guest that ends or panics resets at once, in a way that every machine has, which ends its hypervisor. A serial line of a virtual machine is slow,
    /// so the kernel says only what is wrong.
    /// </summary>
    public const string CommandLine = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on ip=%ip::%gateway:%netmask:function:eth0:off callback=%callback";

    /// <summary>Processors of one instance; the time of a fraction is not given out, so it is rounded up.</summary>
    public static int Processors(ProcessSpec process) => Math.Max(1, (int)Math.Ceiling(process.Cpus));

    /// <summary>Writes it.</summary>
    /// <param name="spec">What the function's own file says, with its <c>[process]</c>.</param>
    /// <param name="hypervisor">firecracker, qemu or microvm.</param>
    public static string Write(FunctionSpec spec, string hypervisor)
    {
        // The environment is on the disk already.
        var calls = FunctionToml.Write(spec with { Process = null, Env = new Dictionary<string, string>() }).TrimEnd();
        var required = string.Create(CultureInfo.InvariantCulture, $"keepalive = {(spec.KeepAlive == Timeout.InfiniteTimeSpan ? -1 : spec.KeepAlive.TotalSeconds)}\nconcurrent-requests = {spec.ConcurrentRequests}\n");
        // Any caller of the function may ask for any path of the guest: nobody but the daemon is to know this one.
        var resumed = $"/resumed-{RandomNumberGenerator.GetHexString(32, lowercase: true)}";
        // Before any table that the rest may have.
        var rest = string.Join('\n', calls.Split('\n').Where(static line => !line.StartsWith("keepalive ", StringComparison.Ordinal) && !line.StartsWith("concurrent-requests ", StringComparison.Ordinal)));
        return string.Create(CultureInfo.InvariantCulture, $"""
            # Made by 'stint vm image build'. The first two keys are what UniFaaS demands.
            {required}{(rest.Length > 0 ? rest + "\n" : "")}
            [vm]
            kernel = "{VmImage.KernelName}"
            initrd = "{VmImage.InitramfsName}"
            image = "{VmImage.DiskName}"
            memory = {spec.Process!.MemoryMiB}
            cpus = {Processors(spec.Process)}
            cmdline = "{CommandLine} on-resume={resumed}"
            on-resume = "{resumed}"
            hypervisor = {Hypervisor(hypervisor)}

            """);
    }

    // The disk is mounted read-only, so all share it; Firecracker attaches it so only below a second one, which may be as small as it likes. A stock kernel finds microvm's devices by ACPI, and asks its clock for the time of day.
    private static string Hypervisor(string name) => name switch
    {
        "firecracker" => "{ type = \"firecracker\" }\noverlay = 1",
        "qemu" => "{ type = \"qemu\", disk-type = \"block\" }",
        _ => "{ type = \"microvm\", disk-type = \"block\", rtc = true, acpi = true }",
    };
}
