using System.Formats.Tar;
using System.IO.Pipelines;

namespace Stint.Backends.Containers.Images;

/// <summary>Archives that are written while they are read, so that nothing of them lies on disk.</summary>
internal static class TarStream
{
    // Writing pauses when so much waits to be read.
    private const int Ahead = 1024 * 1024;

    /// <summary>A stream with the archive that <paramref name="write"/> writes; its failure is that of the reading.</summary>
    /// <param name="write">Writes all entries.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    public static Stream Open(Func<TarWriter, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: Ahead, resumeWriterThreshold: Ahead / 2, useSynchronizationContext: false));
        // Reports to the reader. When that goes before the end, what is still written is thrown away.
        _ = Task.Run(RunAsync, CancellationToken.None);
        return pipe.Reader.AsStream();

        async Task RunAsync()
        {
            Exception? failure = null;
            try
            {
                await using var writer = new TarWriter(pipe.Writer.AsStream(leaveOpen: true), TarEntryFormat.Gnu);
                await write(writer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception problem)
            {
                failure = problem;
            }
            await pipe.Writer.CompleteAsync(failure).ConfigureAwait(false);
        }
    }

    /// <summary>The archive of a file system.</summary>
    /// <param name="rootfs">What to pack.</param>
    /// <param name="onBytes">Told how many bytes of files have been written so far.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    public static Stream Open(Rootfs rootfs, Action<long> onBytes, CancellationToken cancellationToken) => Open(async (writer, stop) =>
    {
        var written = 0L;
        foreach (var entry in rootfs.Entries)
        {
            await WriteAsync(writer, entry, stop).ConfigureAwait(false);
            onBytes(written += entry.Size);
        }
    }, cancellationToken);

    /// <summary>Writes one entry.</summary>
    public static async Task WriteAsync(TarWriter writer, RootfsEntry entry, CancellationToken cancellationToken)
    {
        var name = entry.Path[1..];
        if (entry.LinkTarget is { } target)
        {
            await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target, ModificationTime = DateTimeOffset.UnixEpoch }, cancellationToken).ConfigureAwait(false);
        }
        else if (entry.HostPath is { } path)
        {
            await using var file = File.OpenRead(path);
            await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.RegularFile, name) { Mode = entry.Mode, ModificationTime = entry.Modified, DataStream = file }, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.Directory, name + "/") { Mode = entry.Mode, ModificationTime = DateTimeOffset.UnixEpoch }, cancellationToken).ConfigureAwait(false);
        }
    }
}
