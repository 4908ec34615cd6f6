using System.Buffers;
using System.Globalization;
using System.Text;
using Stint.Invocations;

namespace Stint.Backends.Processes.Protocol;

/// <summary>Builds the daemon's frames, each in one rented buffer, so that a small call is one send.</summary>
internal static class FrameWriter
{
    /// <summary>
    /// REQUEST: <c>method NUL path NUL query NUL call-id NUL milliseconds-left [NUL name NUL value]…</c>, then the body or its first piece.
    /// </summary>
    /// <param name="invocation">The call.</param>
    /// <param name="timeLeft">What it has left of its time.</param>
    /// <param name="body">The body or its first piece.</param>
    /// <param name="more">Whether BODY frames follow.</param>
    /// <param name="first">Fields before the others, for runtimes that take more than one function.</param>
    /// <returns>A rented array and how much of it is the frame; null when the head is larger than <see cref="Frame.MaxPart"/>.</returns>
    public static (byte[] Rented, int Length)? Request(Invocation invocation, TimeSpan timeLeft, in ReadOnlySequence<byte> body, bool more, string? first = null)
    {
        // UTF-8 needs at most three bytes for a UTF-16 unit.
        var most = 3 * (invocation.Method.Length + invocation.Path.Length + invocation.Query.Length + invocation.CallId.Length + (first?.Length ?? 0)) + 33;
        foreach (var (name, value) in invocation.Headers) most += 3 * (name.Length + value.Length) + 2;
        var bodySize = (int)body.Length;
        var rented = ArrayPool<byte>.Shared.Rent(Frame.HeaderSize + most + bodySize);
        var span = rented.AsSpan();
        var at = Frame.HeaderSize;
        if (first is not null)
        {
            at += Encoding.UTF8.GetBytes(first, span[at..]);
            span[at++] = 0;
        }
        at += Encoding.UTF8.GetBytes(invocation.Method, span[at..]);
        Field(span, ref at, invocation.Path);
        Field(span, ref at, invocation.Query);
        Field(span, ref at, invocation.CallId);
        span[at++] = 0;
        _ = ((long)timeLeft.TotalMilliseconds).TryFormat(span[at..], out var digits, default, CultureInfo.InvariantCulture);
        at += digits;
        foreach (var (name, value) in invocation.Headers)
        {
            Field(span, ref at, name);
            Field(span, ref at, value);
        }
        var headSize = at - Frame.HeaderSize;
        if (headSize > Frame.MaxPart)
        {
            ArrayPool<byte>.Shared.Return(rented);
            return null;
        }
        body.CopyTo(span[at..]);
        Frame.WriteHeader(span, FrameType.Request, more, headSize, bodySize);
        return (rented, at + bodySize);
    }

    /// <summary>LOAD: <c>folder NUL connections [NUL name NUL value]…</c></summary>
    public static byte[] Load(string folder, int connections, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var head = new StringBuilder(folder).Append('\0').Append(CultureInfo.InvariantCulture, $"{connections}");
        foreach (var (name, value) in environment) head.Append('\0').Append(name).Append('\0').Append(value);
        var bytes = Encoding.UTF8.GetBytes(head.ToString());
        if (bytes.Length > Frame.MaxPart) throw new InstanceStartException($"the function's environment variables take {bytes.Length} bytes, more than {Frame.MaxPart}; make [env] smaller");
        var frame = new byte[Frame.HeaderSize + bytes.Length];
        Frame.WriteHeader(frame, FrameType.Load, more: false, bytes.Length, 0);
        bytes.CopyTo(frame, Frame.HeaderSize);
        return frame;
    }

    /// <summary>CANCEL.</summary>
    public static byte[] Cancel() => HeaderOnly(FrameType.Cancel);

    /// <summary>PING.</summary>
    public static byte[] Ping() => HeaderOnly(FrameType.Ping);

    private static byte[] HeaderOnly(FrameType type)
    {
        var frame = new byte[Frame.HeaderSize];
        Frame.WriteHeader(frame, type, more: false, 0, 0);
        return frame;
    }

    private static void Field(Span<byte> span, ref int at, string text)
    {
        span[at++] = 0;
        at += Encoding.UTF8.GetBytes(text, span[at..]);
    }
}
