// FOLDER/MODULE/PATH, one line of JSON for each result. The folder is the daemon's own: instances do not see it, and paths lead nowhere but down (Functions/Specification/SinkPathKind).
using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Stint.Deliveries;
using Stint.Functions;

namespace Stint.Sinks;

/// <summary><c>type = "file"</c>: JSON lines.</summary>
/// <param name="specs">What functions say now.</param>
/// <param name="folder">The daemon's folder for it.</param>
internal sealed class FileSink(SpecLookup specs, string folder) : SinkKind<SinkSpec.JsonLines>("file", specs)
{
    private const UnixFileMode OwnersFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Of a file's end, bytes that are searched for the line of an earlier try.</summary>
    private const int SearchedBytes = 1024 * 1024;

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _turns = new(StringComparer.Ordinal);

    /// <summary>The line of a result, its end included.</summary>
    public static byte[] LineOf(Delivery delivery)
    {
        using var value = ResultJson.Read(delivery.Body);
        var buffer = new ArrayBufferWriter<byte>(delivery.Body.Length + 256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", delivery.Created.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("function", delivery.Function.ToString());
            json.WriteString("call", delivery.CallId);
            json.WriteString("delivery", delivery.Id);
            json.WriteNumber("status", delivery.Status);
            ResultJson.WriteWrapped(json, value, delivery.Body);
            json.WriteEndObject();
        }
        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <inheritdoc/>
    protected override async Task<DeliveryResult> DeliverAsync(SinkSpec.JsonLines sink, Delivery delivery, CancellationToken cancellationToken)
    {
        var path = Path.Combine([folder, delivery.Function.Module, .. sink.Path.Split('/')]);
        var turn = _turns.GetOrAdd(path, static _ => new SemaphoreSlim(1));
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Append(path, delivery, sink.Sync);
            return DeliveryResult.Delivered;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return DeliveryResult.TryAgain($"{path}: {failure.Message}");
        }
        finally
        {
            turn.Release();
        }
    }

    private static void Append(string path, Delivery delivery, bool sync)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, OwnersFolder);
        // Nobody but the daemon writes here; a link would be somebody's who has become it.
        if (new FileInfo(path).LinkTarget is not null) throw new IOException("it is a symbolic link, which is not followed; remove it");
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete, UnixCreateMode = OwnersFile, BufferSize = 0 });
        // The daemon may have been killed between the write and its note that it is done.
        if (delivery.Attempts > 1 && Has(file, delivery.Id)) return;
        var line = LineOf(delivery);
        var before = file.Seek(0, SeekOrigin.End);
        try
        {
            // A line that a crash has torn stays one bad line, and does not spoil the next.
            if (before > 0 && !EndsWithLine(file)) line = [(byte)'\n', .. line];
            file.Seek(0, SeekOrigin.End);
            file.Write(line);
            file.Flush(flushToDisk: sync);
        }
        catch (IOException)
        {
            // A full disk: what was written of the line goes again.
            file.SetLength(before);
            throw;
        }
    }

    private static bool EndsWithLine(FileStream file)
    {
        file.Seek(-1, SeekOrigin.End);
        return file.ReadByte() == '\n';
    }

    private static bool Has(FileStream file, string id)
    {
        var length = (int)Math.Min(file.Length, SearchedBytes);
        var end = new byte[length];
        file.Seek(-length, SeekOrigin.End);
        file.ReadExactly(end);
        return end.AsSpan().IndexOf(Encoding.UTF8.GetBytes($"\"delivery\":\"{id}\"")) >= 0;
    }
}
