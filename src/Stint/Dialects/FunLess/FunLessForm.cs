using System.Text;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Stint.Dialects.FunLess;

/// <summary>A form (multipart/form-data, RFC 7578) with one file, which goes to disk as it comes; texts are few and short.</summary>
internal sealed class FunLessForm : IDisposable
{
    // Arbitrary: what a hundred events with long topics have is a tenth of it.
    private const int MaxText = 256 * 1024;

    private const int MaxParts = 32;

    private readonly Dictionary<string, string> _texts = new(StringComparer.Ordinal);
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-upload-").FullName;

    private FunLessForm() { }

    /// <summary>The file; null when there is none.</summary>
    public string? File { get; private set; }

    /// <summary>A text; null when there is none, or an empty one.</summary>
    public string? this[string name] => _texts.GetValueOrDefault(name) is { Length: > 0 } text ? text : null;

    /// <summary>Reads a form; whoever gets it disposes of it, and of the file with it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="file">The file's field.</param>
    /// <param name="longest">The most bytes that it may have.</param>
    /// <param name="limit">How that limit is said and changed.</param>
    /// <exception cref="FunLessRefusal">It is no form, or too much.</exception>
    public static async Task<FunLessForm> ReadAsync(HttpContext context, string file, long longest, string limit)
    {
        if (!MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type) || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
            || HeaderUtilities.RemoveQuotes(type.Boundary).Value is not { Length: > 0 and <= 128 } boundary)
            throw FunLessRefusal.Bad($"send multipart/form-data with the fields 'name' and '{file}' (a file)");
        var form = new FunLessForm();
        try
        {
            await form.ReadPartsAsync(new MultipartReader(boundary, context.Request.Body) { BodyLengthLimit = null }, file, longest, limit, context.RequestAborted).ConfigureAwait(false);
            return form;
        }
        catch (Exception failure)
        {
            form.Dispose();
            // BadHttpRequestException is one too, and keeps its status.
            if (failure is not BadHttpRequestException && (failure is InvalidDataException or IOException { InnerException: null } && !IsDisk(failure))) throw FunLessRefusal.Bad($"the form could not be read: {failure.Message}");
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task ReadPartsAsync(MultipartReader reader, string file, long longest, string limit, CancellationToken cancellationToken)
    {
        for (var count = 1; await reader.ReadNextSectionAsync(cancellationToken).ConfigureAwait(false) is { } part; count++)
        {
            if (count > MaxParts) throw FunLessRefusal.Bad($"the form has more than {MaxParts} parts");
            if (!ContentDispositionHeaderValue.TryParse(part.ContentDisposition, out var disposition) || HeaderUtilities.RemoveQuotes(disposition.Name).Value is not { Length: > 0 } name) continue;
            if (name == file)
            {
                if (File is not null) throw FunLessRefusal.Bad($"the form has '{file}' twice");
                File = Path.Combine(_folder, "file");
                await SaveAsync(part.Body, File, longest, new FunLessRefusal(StatusCodes.Status413PayloadTooLarge, $"'{file}' is larger than {limit}"), cancellationToken).ConfigureAwait(false);
            }
            else if (!_texts.TryAdd(name, await ReadTextAsync(part.Body, name, cancellationToken).ConfigureAwait(false)))
            {
                throw FunLessRefusal.Bad($"the form has '{Ingress.Http.HttpError.Printable(name)}' twice");
            }
        }
    }

    private static async Task SaveAsync(Stream source, string path, long longest, FunLessRefusal tooLarge, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        await using var target = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        var length = 0L;
        for (int read; (read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
        {
            if ((length += read) > longest) throw tooLarge;
            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<string> ReadTextAsync(Stream source, string name, CancellationToken cancellationToken)
    {
        var buffer = new byte[4096];
        using var text = new MemoryStream();
        for (int read; (read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
        {
            if (text.Length + read > MaxText) throw FunLessRefusal.Bad($"'{Ingress.Http.HttpError.Printable(name)}' is longer than {MaxText / 1024} KiB");
            text.Write(buffer.AsSpan(0, read));
        }
        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    // Linux errno values, which .NET hands through (asm-generic/errno.h): no space left, quota exceeded. They are this host's lack, not the form's.
    private static bool IsDisk(Exception failure) => failure.HResult is 28 or 122;
}
