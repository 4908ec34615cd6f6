namespace Stint.Checks;

/// <summary>
/// Whether a folder of the daemon can be used: written by the daemon and, when that is root, entered by the user that instances run as, who is nobody's
/// owner or group: every folder on the way needs the x bit for others.
/// </summary>
internal sealed class FolderCheck(string name, Func<CheckScope, string> choose) : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken) => Task.FromResult(Look(Path.GetFullPath(choose(scope)), Environment.IsPrivilegedProcess));

    /// <summary>Looks at a folder.</summary>
    /// <param name="othersMustEnter">Instances run as somebody else than the daemon.</param>
    public CheckResult Look(string folder, bool othersMustEnter)
    {
        var existing = new DirectoryInfo(folder);
        while (!existing.Exists && existing.Parent is { } parent) existing = parent;
        var isThere = existing.FullName == Path.TrimEndingDirectorySeparator(folder);
        var sudo = Environment.IsPrivilegedProcess ? "" : "sudo ";
        if (!isThere && File.Exists(folder)) return Result(CheckStatus.Missing, $"{folder} is a file.", "Remove it, or name another folder.");
        if (!Access.CanWrite(existing.FullName))
            return Result(CheckStatus.Missing, $"{existing.FullName} cannot be written by this user.", $"{sudo}install -d -o $(id -u) {folder}");
        if (othersMustEnter)
        {
            for (var way = existing; way is not null; way = way.Parent)
                if ((way.UnixFileMode & UnixFileMode.OtherExecute) == 0)
                    return Result(CheckStatus.Missing, $"{way.FullName} is closed to the users that functions run as.", $"{sudo}chmod o+x {way.FullName}");
        }
        return Result(CheckStatus.Fine, isThere ? folder : $"{folder} (made at the first start)", null);
    }

    private CheckResult Result(CheckStatus status, string found, string? cure) => new(name, status, found, cure, Concern.Everything);
}
