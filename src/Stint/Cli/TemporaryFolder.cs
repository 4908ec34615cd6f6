namespace Stint.Cli;

/// <summary>A folder of one command, made when it is first asked for and removed with all that is in it.</summary>
internal sealed class TemporaryFolder(string prefix) : IDisposable
{
    private string? _path;

    /// <summary>Its absolute path.</summary>
    public string Path => _path ??= Directory.CreateTempSubdirectory(prefix).FullName;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_path is not null) Directory.Delete(_path, recursive: true);
    }
}
