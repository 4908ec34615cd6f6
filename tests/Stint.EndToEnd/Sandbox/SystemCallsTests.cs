using System.Globalization;
using System.Runtime.InteropServices;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.EndToEnd.Sandbox;

/// <summary>Every system call of the filter's list, made by number from inside a function.</summary>
public sealed partial class SystemCallsTests(SandboxDaemon shared) : IClassFixture<SandboxDaemon>
{
    public static TheoryData<string> Refused => [.. SeccompFilter.Refused.Append("clone3").Where(static name => seccomp_syscall_resolve_name(name) >= 0)];

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task A_dangerous_call_is_refused(string name)
    {
        var number = seccomp_syscall_resolve_name(name);
        var errno = await shared.AttackAsync(string.Create(CultureInfo.InvariantCulture, $"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall.restype = ctypes.c_long\nr = libc.syscall(ctypes.c_long({number}), 0, 0, 0, 0, 0, 0)\nresult = ctypes.get_errno() if r == -1 else 'returned %d' % r"));
        Assert.True(errno is "1" or "38", $"{name} ({number}) ended with {errno}, not EPERM or ENOSYS");
    }

    [Theory]
    [InlineData(0x00020000, "CLONE_NEWNS"), InlineData(0x02000000, "CLONE_NEWCGROUP"), InlineData(0x04000000, "CLONE_NEWUTS"), InlineData(0x08000000, "CLONE_NEWIPC"), InlineData(0x10000000, "CLONE_NEWUSER"), InlineData(0x20000000, "CLONE_NEWPID"), InlineData(0x40000000, "CLONE_NEWNET")]
    public async Task No_namespace_can_be_made_with_clone(int flag, string name)
    {
        // SIGCHLD (17) as the signal of the child's end; a child that came to be would leave at once.
        var number = seccomp_syscall_resolve_name("clone");
        var errno = await shared.AttackAsync($"import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall.restype = ctypes.c_long\nr = libc.syscall(ctypes.c_long({number}), ctypes.c_long({flag} | 17), 0, 0, 0, 0)\nif r == 0: os._exit(0)\nresult = ctypes.get_errno() if r == -1 else 'made'");
        Assert.True(errno == "1", $"{name}: {errno}");
    }

    [Fact]
    public async Task Typing_into_a_terminal_is_refused() =>
        Assert.Equal("PermissionError", await shared.AttackAsync("import fcntl\ntry:\n    fcntl.ioctl(0, 0x5412, b'x')\n    result = 'typed'\nexcept OSError as e: result = type(e).__name__"));

    [Fact]
    public async Task A_process_cannot_be_traced()
    {
        Assert.Equal("refused", await shared.AttackAsync("""
            import subprocess, ctypes
            child = subprocess.Popen(['sleep', '10'])
            libc = ctypes.CDLL(None, use_errno=True)
            result = 'refused' if libc.ptrace(16, child.pid, 0, 0) == -1 and ctypes.get_errno() == 1 else 'traced'
            child.kill()
            child.wait()
            """));
    }

    [Fact]
    public async Task Ordinary_programs_still_work()
    {
        var result = await shared.AttackAsync("import subprocess, threading\nt = threading.Thread(target=lambda: None)\nt.start()\nt.join()\nresult = subprocess.check_output(['sh', '-c', 'echo one | awk \"{print}\" | sed s/one/two/']).decode().strip()");
        Assert.Equal("two", result);
    }

    [LibraryImport("libseccomp.so.2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int seccomp_syscall_resolve_name(string name);
}
