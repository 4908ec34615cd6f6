// STATE/secrets/MODULE/NAME, each file the bytes of one value, for the daemon's user alone (0700, 0600). Values are never logged, and no API gives them back: whoever needs one is a function that names it.
using Stint.Invocations;

namespace Stint.Functions.Secrets;

/// <summary>Secrets by module and name. Changes are atomic and durable; safe for several threads.</summary>
internal sealed class SecretStore : ISecretWriter
{
    /// <summary>The longest value, bytes: Kubernetes' limit, which OpenFaaS's users have.</summary>
    public const int MaxBytes = 1024 * 1024;

    private const UnixFileMode OwnersFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly Lock _lock = new();
    private readonly string _folder;

    /// <summary>Makes the folder, for its owner alone.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public SecretStore(string folder)
    {
        _folder = folder;
        Make(folder);
    }

    /// <summary>The names of a module's secrets, in order.</summary>
    public IReadOnlyList<string> List(string module)
    {
        var folder = Path.Combine(_folder, module);
        if (!FunctionName.IsValidPart(module) || !Directory.Exists(folder)) return [];
        return [.. Directory.EnumerateFiles(folder).Select(static path => Path.GetFileName(path)!).Where(SecretName.IsValid).Order(StringComparer.Ordinal)];
    }

    /// <summary>Modules that have any.</summary>
    public IReadOnlyList<string> Modules() => [.. Directory.EnumerateDirectories(_folder).Select(static path => Path.GetFileName(path)!).Where(module => List(module).Count > 0)];

    /// <summary>Adds a secret; false when there is one of that name.</summary>
    /// <exception cref="IOException">The disk is full, for instance.</exception>
    public bool TryAdd(string module, string name, ReadOnlySpan<byte> value)
    {
        lock (_lock)
        {
            if (File.Exists(PathOf(module, name))) return false;
            Write_NeedsLock(module, name, value);
            return true;
        }
    }

    /// <summary>Gives a secret another value; false when there is none of that name.</summary>
    /// <exception cref="IOException">The disk is full, for instance.</exception>
    public bool TryReplace(string module, string name, ReadOnlySpan<byte> value)
    {
        lock (_lock)
        {
            if (!File.Exists(PathOf(module, name))) return false;
            Write_NeedsLock(module, name, value);
            return true;
        }
    }

    /// <summary>Removes a secret; false when there is none of that name.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public bool TryRemove(string module, string name)
    {
        lock (_lock)
        {
            if (!File.Exists(PathOf(module, name))) return false;
            File.Delete(PathOf(module, name));
            return true;
        }
    }

    /// <summary>The value; null when there is none of that name.</summary>
    public byte[]? Read(string module, string name)
    {
        try
        {
            return File.ReadAllBytes(PathOf(module, name));
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A word for when the secret was set: another one after each time; empty = there is none of that name.</summary>
    public string Stamp(string module, string name)
    {
        var file = new FileInfo(PathOf(module, name));
        return file.Exists ? file.LastWriteTimeUtc.Ticks.ToString(System.Globalization.CultureInfo.InvariantCulture) : "";
    }

    /// <inheritdoc/>
    public Task<bool> TryAddAsync(string module, string name, byte[] value, CancellationToken cancellationToken) => Task.FromResult(TryAdd(module, name, value));

    /// <inheritdoc/>
    public Task<bool> TryReplaceAsync(string module, string name, byte[] value, CancellationToken cancellationToken) => Task.FromResult(TryReplace(module, name, value));

    /// <inheritdoc/>
    public Task<bool> TryRemoveAsync(string module, string name, CancellationToken cancellationToken) => Task.FromResult(TryRemove(module, name));

    private void Write_NeedsLock(string module, string name, ReadOnlySpan<byte> value)
    {
        Make(Path.Combine(_folder, module));
        // A name that is none (see SecretName): nobody lists it, and what a crash leaves is overwritten.
        var fresh = Path.Combine(_folder, module, ".new");
        File.Delete(fresh);
        using (var file = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        {
            file.Write(value);
            file.Flush(flushToDisk: true);
        }
        File.Move(fresh, PathOf(module, name), overwrite: true);
    }

    private string PathOf(string module, string name) => FunctionName.IsValidPart(module) && SecretName.IsValid(name)
        ? Path.Combine(_folder, module, name)
        : throw new ArgumentException($"{module} and {name} were not checked");

    private static void Make(string folder)
    {
        Directory.CreateDirectory(folder, OwnersFolder);
        File.SetUnixFileMode(folder, OwnersFolder);
    }
}
