using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Stint.Watchdog.Http;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Files;

/// <summary>The files of a folder, as Go's file server gives them: <c>index.html</c> for folders, else a list; ranges; Last-Modified.</summary>
internal sealed class StaticFunction(WatchdogSettings settings) : IAnswerer
{
    private readonly string _root = Path.GetFullPath(settings.StaticPath).TrimEnd('/');

    /// <inheritdoc/>
    public async ValueTask AnswerAsync(Exchange exchange)
    {
        var method = exchange.Head.Method;
        if (!method.SequenceEqual("GET"u8) && !method.SequenceEqual("HEAD"u8))
        {
            _ = await exchange.Reply.SayAsync(405, "Files can be had with GET and HEAD.");
            return;
        }
        // Dots are resolved before the root is put in front: nothing above it can be named.
        var path = Uri.UnescapeDataString(Encoding.UTF8.GetString(exchange.Head.Path));
        if (path.Contains('\0') || path.Contains("//", StringComparison.Ordinal))
        {
            _ = await exchange.Reply.SayAsync(path.Contains('\0') ? 400 : 404, "There is no such file.");
            return;
        }
        var file = _root + Path.GetFullPath(path);
        try
        {
            if (Directory.Exists(file))
            {
                if (!path.EndsWith('/'))
                {
                    exchange.Reply.Status(301).Field("Location"u8, Uri.EscapeDataString(Path.GetFileName(file)) + "/");
                    _ = await exchange.Reply.SendAsync(default);
                    return;
                }
                var index = Path.Combine(file, "index.html");
                if (File.Exists(index)) await SendAsync(exchange, index);
                else await ListAsync(exchange, file);
            }
            else if (File.Exists(file) && !path.EndsWith('/')) await SendAsync(exchange, file);
            else _ = await exchange.Reply.SayAsync(404, "There is no such file.");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && !exchange.Reply.IsStarted)
        {
            _ = await exchange.Reply.SayAsync(404, "There is no such file, or the watchdog may not read it.");
        }
    }

    private static async ValueTask SendAsync(Exchange exchange, string path)
    {
        using var file = File.OpenHandle(path);
        var size = RandomAccess.GetLength(file);
        var modified = new DateTimeOffset(File.GetLastWriteTimeUtc(file), TimeSpan.Zero);
        modified = modified.AddTicks(-(modified.Ticks % TimeSpan.TicksPerSecond));
        var fields = exchange.Head.Fields;
        var reply = exchange.Reply;
        var date = modified.ToString("R", CultureInfo.InvariantCulture);
        if (DateTimeOffset.TryParseExact(Encoding.ASCII.GetString(fields.Find("If-Modified-Since"u8)), "R", CultureInfo.InvariantCulture, DateTimeStyles.None, out var since) && modified <= since)
        {
            reply.Status(304).Field("Last-Modified"u8, date);
            _ = await reply.SendAsync(default);
            return;
        }
        var condition = fields.Find("If-Range"u8);
        var range = condition.IsEmpty || Encoding.ASCII.GetString(condition) == date ? ByteRange.Read(Encoding.ASCII.GetString(fields.Find("Range"u8)), size) : null;
        if (range is { Length: < 0 })
        {
            reply.Status(416).Field("Content-Range"u8, $"bytes */{size}");
            _ = await reply.SendAsync(default);
            return;
        }
        var part = range ?? new ByteRange(0, size);
        reply.Status(range is null ? 200 : 206).Field("Content-Type"u8, ContentTypes.Of(path)).Field("Last-Modified"u8, date).Field("Accept-Ranges"u8, "bytes"u8);
        if (range is not null) reply.Field("Content-Range"u8, $"bytes {part.Start}-{part.Start + part.Length - 1}/{size}");
        if (!await reply.StartAsync(default, part.Length)) return;
        if (!reply.TakesPieces || await CopyAsync(file, part, exchange.Socket)) _ = await reply.EndAsync();
    }

    // From the file to the socket inside the kernel.
    private static async ValueTask<bool> CopyAsync(SafeFileHandle file, ByteRange part, Descriptor socket)
    {
        var (at, left) = (part.Start, part.Length);
        while (left > 0)
        {
            if (socket.IsInterrupted) return false;
            var sent = Send(file, ref at, (nint)Math.Min(left, 1 << 20), socket);
            if (sent > 0) left -= sent;
            else if (sent == 0) return false; // the file has become shorter
            else if (Libc.Error == Libc.ErrorAgain) await socket.Writable;
            else if (Libc.Error != Libc.ErrorInterrupted) return false;
        }
        return true;
    }

    private static unsafe nint Send(SafeFileHandle file, ref long at, nint count, Descriptor socket)
    {
        fixed (long* offset = &at) return Libc.sendfile(socket.Number, (int)file.DangerousGetHandle(), offset, count);
    }

    private static async ValueTask ListAsync(Exchange exchange, string folder)
    {
        var page = new StringBuilder("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n");
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos().OrderBy(static entry => entry.Name, StringComparer.Ordinal))
        {
            var name = entry is DirectoryInfo ? entry.Name + "/" : entry.Name;
            page.Append(CultureInfo.InvariantCulture, $"<a href=\"./{Uri.EscapeDataString(entry.Name)}{(entry is DirectoryInfo ? "/" : "")}\">{WebUtility.HtmlEncode(name)}</a>\n");
        }
        exchange.Reply.Status(200).Field("Content-Type"u8, "text/html; charset=utf-8"u8);
        _ = await exchange.Reply.SendAsync(Encoding.UTF8.GetBytes(page.Append("</pre>\n").ToString()));
    }
}
