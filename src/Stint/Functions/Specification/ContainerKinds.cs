using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>The reference of an image: <c>name</c>, <c>name:tag</c>, <c>registry/name@sha256:…</c>. The engine knows the whole grammar; this keeps out what can be none.</summary>
internal sealed class ImageKind() : PatternKind("the name of an image, such as \"name:tag\"", static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/' or ':' or '@' or '+', 512)
{
    /// <inheritdoc/>
    protected override bool IsGood(string text) => char.IsAsciiLetterOrDigit(text[0]);
}

/// <summary>Linux capabilities by name (capabilities(7)), with or without <c>CAP_</c> in front; kept without.</summary>
internal sealed class CapabilitiesKind : ValueKind<IReadOnlyList<string>>
{
    private const string Prefix = "CAP_";
    private readonly TextListKind _texts = new("an array of capabilities, such as [\"NET_BIND_SERVICE\"]");

    /// <inheritdoc/>
    public override string Description => _texts.Description;

    /// <inheritdoc/>
    public override IReadOnlyList<string>? Read(TomlValue value, Report report)
    {
        if (_texts.Read(value, report) is not { } names) return null;
        var found = new List<string>(names.Count);
        foreach (var (index, name) in names.Index())
        {
            var bare = name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;
            if (Known.Contains(bare)) found.Add(bare);
            else report(((TomlArray)value)[index].Position, $"has the unknown capability \"{name}\"{(Suggestion.For(bare, Known) is { } near ? $"; did you mean \"{near}\"?" : "; capabilities(7) lists them, in capitals")}");
        }
        return found;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<string> value) => _texts.Write(value);

    // capabilities(7) of Linux 6.x. ALL is left out: who wants every capability wants no isolation.
    private static readonly string[] Known =
    [
        "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER",
        "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
        "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM",
    ];
}
