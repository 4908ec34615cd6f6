using Stint.Functions.Toml;

namespace Stint.Hosting.Configuration;

/// <summary>A configuration file that was found and read.</summary>
/// <param name="Path">Its absolute path; relative paths in it are relative to its folder.</param>
/// <param name="Utf8">Its content.</param>
internal sealed record OptionsFile(string Path, byte[] Utf8)
{
    /// <summary>Where the file is when nobody says where: in /etc for root, in the home folder for others; null without a home.</summary>
    public static string? DefaultPath(IReadOnlyDictionary<string, string> environment, bool isRoot) =>
        isRoot ? "/etc/stint/stint.toml"
        : environment.TryGetValue("HOME", out var home) && home.Length > 0 ? System.IO.Path.Combine(home, ".config/stint/stint.toml")
        : null;

    /// <summary>
    /// Finds and reads the file: <c>--config</c>, else <c>STINT_CONFIG</c>, else <see cref="DefaultPath"/>. One that was asked for must be there; the default one may be missing.
    /// </summary>
    /// <param name="flags">Flags without their dashes.</param>
    /// <param name="environment">The environment.</param>
    /// <param name="isRoot">Whether the daemon runs as root.</param>
    /// <param name="problem">Why there is none, when there should be one.</param>
    public static OptionsFile? Find(IReadOnlyDictionary<string, string> flags, IReadOnlyDictionary<string, string> environment, bool isRoot, out string? problem)
    {
        problem = null;
        var (path, origin) = flags.TryGetValue(DaemonOptionTable.ConfigFlag, out var flag) ? (flag, $"--{DaemonOptionTable.ConfigFlag}")
            : environment.TryGetValue(DaemonOptionTable.ConfigVariable, out var variable) && variable.Length > 0 ? (variable, DaemonOptionTable.ConfigVariable)
            : (DefaultPath(environment, isRoot), null);
        if (path is null) return null;
        try
        {
            if (path.Length == 0) throw new IOException("the path is empty");
            path = System.IO.Path.GetFullPath(path);
            using var file = File.OpenRead(path);
            var bytes = new byte[TomlDocument.MaxBytes + 1];
            return new OptionsFile(path, bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)]);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException && origin is null)
        {
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = $"{origin ?? "the configuration"}: {path} cannot be read: {error.Message}";
            return null;
        }
    }
}
