// The system call filter of every sandbox: what Docker's default profile (moby/profiles/seccomp/default.json) refuses to a container without capabilities, as a deny list.
//
// The program is made by libseccomp (Debian: libseccomp2, which apt itself depends on): it knows the numbers of every architecture, and adds the checks that keep
// 32-bit and x32 calls from slipping past. It is compiled once per daemon and written to a file that bubblewrap reads (--seccomp FD) and installs last,
// just before it starts the runtime.
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Compiles the system call filter.</summary>
internal static partial class SeccompFilter
{
    private const uint Allow = 0x7fff0000;                       // SCMP_ACT_ALLOW
    private const uint PermissionDenied = 0x00050000 | 1;        // SCMP_ACT_ERRNO(EPERM)
    private const uint NoSuchCall = 0x00050000 | 38;             // SCMP_ACT_ERRNO(ENOSYS)
    private const int MaskedEqual = 7;                           // SCMP_CMP_MASKED_EQ
    private const int UnknownCall = -1;                          // __NR_SCMP_ERROR

    /// <summary>The calls that are refused outright. A name that this architecture or library does not know is passed over.</summary>
    internal static readonly string[] Refused =
    [
        // the kernel itself: modules, reboot, swap, accounting, quotas, clock
        "init_module", "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
        "acct", "quotactl", "quotactl_fd", "settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "syslog", "nfsservctl", "sysfs", "_sysctl", "ustat", "uselib",
        "bdflush", "vserver", "sethostname", "setdomainname", "vhangup", "lookup_dcookie", "perf_event_open", "bpf",
        // other processes
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
        // mounts, roots and namespaces
        "mount", "umount", "umount2", "pivot_root", "chroot", "unshare", "setns", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "statmount", "listmount",
        "name_to_handle_at", "open_by_handle_at", "fanotify_init",
        // keys, memory policy, ports, faults, asynchronous rings
        "add_key", "request_key", "keyctl", "get_mempolicy", "set_mempolicy", "set_mempolicy_home_node", "mbind", "migrate_pages", "move_pages", "ioperm", "iopl", "modify_ldt", "vm86", "vm86old", "userfaultfd",
        "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_secret", "lsm_set_self_attr",
    ];

    // CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET (clone(2)); NEWTIME is only for unshare and clone3.
    private static readonly ulong[] NamespaceFlags = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];

    [StructLayout(LayoutKind.Sequential)]
    private struct Comparison
    {
        public uint Argument;
        public int Operator;
        public ulong DatumA;
        public ulong DatumB;
    }

    /// <summary>Writes the filter as a BPF program to a file.</summary>
    /// <exception cref="IOException">libseccomp is missing or refused; the message says what to install.</exception>
    public static void Write(string path)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
            Build(file);
        }
        catch (DllNotFoundException missing)
        {
            throw new IOException("libseccomp.so.2 is not installed, so there is no system call filter. Install it: apt-get install libseccomp2", missing);
        }
    }

    private static void Build(SafeHandle file)
    {
        var context = seccomp_init(Allow);
        if (context == 0) throw new IOException("seccomp_init failed");
        try
        {
            foreach (var name in Refused) Deny(context, name, PermissionDenied);
            // glibc falls back to clone when clone3 does not exist; clone3's flags lie in memory, where a filter cannot look.
            Deny(context, "clone3", NoSuchCall);
            foreach (var flag in NamespaceFlags) DenyWhen(context, "clone", argument: 0, mask: flag, value: flag);
            // ioctl(TIOCSTI) types into the terminal, ioctl(TIOCLINUX) pastes into it; the kernel looks at the lower 32 bits only.
            DenyWhen(context, "ioctl", argument: 1, mask: 0xffffffff, value: 0x5412);
            DenyWhen(context, "ioctl", argument: 1, mask: 0xffffffff, value: 0x541c);
            // socket(AF_VSOCK) reaches the hypervisor past every network namespace; AF_ALG and the rest of Docker's exceptions stay as the kernel has them.
            DenyWhen(context, "socket", argument: 0, mask: 0xffffffff, value: 40);
            // personality: only the values that Docker allows (0, 8, 0x20000, 0x20008, 0xffffffff): refuse ADDR_NO_RANDOMIZE and READ_IMPLIES_EXEC.
            DenyWhenPersonality(context, 0x0040000);
            DenyWhenPersonality(context, 0x0400000);
            var result = seccomp_export_bpf(context, (int)file.DangerousGetHandle());
            if (result < 0) throw new IOException($"seccomp_export_bpf: {new Win32Exception(-result).Message}");
        }
        finally
        {
            seccomp_release(context);
        }
    }

    private static void Deny(nint context, string name, uint action)
    {
        var call = seccomp_syscall_resolve_name(name);
        if (call == UnknownCall) return;
        var result = seccomp_rule_add_array(context, action, call, 0, default);
        if (result < 0) throw new IOException($"seccomp rule for {name}: {new Win32Exception(-result).Message}");
    }

    private static void DenyWhen(nint context, string name, uint argument, ulong mask, ulong value)
    {
        var comparison = new Comparison { Argument = argument, Operator = MaskedEqual, DatumA = mask, DatumB = value };
        var result = seccomp_rule_add_array(context, PermissionDenied, seccomp_syscall_resolve_name(name), 1, comparison);
        if (result < 0) throw new IOException($"seccomp rule for {name}: {new Win32Exception(-result).Message}");
    }

    // 0xffffffff only asks for the current value; a flag is refused when the highest bit, which no real personality has, is clear.
    private static void DenyWhenPersonality(nint context, ulong flag) => DenyWhen(context, "personality", argument: 0, mask: 0x80000000 | flag, value: flag);

    [LibraryImport("libseccomp.so.2")]
    private static partial nint seccomp_init(uint action);

    [LibraryImport("libseccomp.so.2")]
    private static partial void seccomp_release(nint context);

    [LibraryImport("libseccomp.so.2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int seccomp_syscall_resolve_name(string name);

    [LibraryImport("libseccomp.so.2")]
    private static partial int seccomp_rule_add_array(nint context, uint action, int call, uint count, in Comparison comparison);

    [LibraryImport("libseccomp.so.2")]
    private static partial int seccomp_export_bpf(nint context, int descriptor);
}
