using System.Formats.Tar;
using System.Text;

namespace Stint.Backends.Containers.Images;

/// <summary>Build contexts: archives with a Dockerfile.</summary>
internal static class Dockerfile
{
    /// <summary>The name of the file.</summary>
    public const string Name = "Dockerfile";

    /// <summary>A context of nothing but a Dockerfile.</summary>
    public static Stream Alone(string text, CancellationToken cancellationToken) => TarStream.Open((writer, stop) => WriteTextAsync(writer, Name, text, stop), cancellationToken);

    /// <summary>A Dockerfile, and folders of the host beside it, everything belonging to root and readable by all.</summary>
    /// <param name="text">The Dockerfile.</param>
    /// <param name="folders">Name in the context, and folder of the host.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    public static Stream With(string text, IEnumerable<(string Name, string Folder)> folders, CancellationToken cancellationToken)
    {
        var rootfs = new Rootfs();
        foreach (var (name, folder) in folders) rootfs.AddTree("/" + name, folder);
        return TarStream.Open(async (writer, stop) =>
        {
            await WriteTextAsync(writer, Name, text, stop).ConfigureAwait(false);
            foreach (var entry in rootfs.Entries) await TarStream.WriteAsync(writer, entry, stop).ConfigureAwait(false);
        }, cancellationToken);
    }

    private static async Task WriteTextAsync(TarWriter writer, string name, string text, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream(Encoding.UTF8.GetBytes(text));
        await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.RegularFile, name) { DataStream = bytes, ModificationTime = DateTimeOffset.UnixEpoch }, cancellationToken).ConfigureAwait(false);
    }
}
