using System.Collections;
using System.Runtime.InteropServices;
using System.Text;
using Stint.Watchdog.Http;

namespace Stint.Watchdog.Functions;

/// <summary>
/// The environment of a process: the watchdog's own, and with <c>cgi_headers</c> the request as <c>Http_…</c> variables.
/// </summary>
/// <remarks>
/// A caller chooses names and values of headers, so a name becomes a variable only when no other could become the same one: it has letters, digits and dashes only (a gateway that strips <c>X-User</c>
/// does not strip <c>X_User</c>), is not <c>Proxy</c>, and is not what the watchdog says itself (<c>Http_Method</c>, <c>Http_Path</c>, …). Of a header sent twice the first value counts, as in the Go watchdogs.
/// </remarks>
internal sealed unsafe class CgiEnvironment
{
    private static readonly byte[][] Reserved =
        [.. new[] { "Method", "Query", "Path", "Host", "ContentLength", "Content-Length", "Transfer-Encoding", "Proxy" }.Select(Encoding.ASCII.GetBytes)];

    // Of one call at a time, on the thread that makes it.
    [ThreadStatic] private static ByteBuilder? t_text;
    [ThreadStatic] private static List<int>? t_starts;
    [ThreadStatic] private static byte** t_pointers;
    [ThreadStatic] private static byte* t_native;
    [ThreadStatic] private static int t_pointerRoom, t_nativeRoom;

    private readonly byte** _inherited;
    private readonly int _count;
    private readonly bool _headers;

    /// <summary>Takes the watchdog's own variables.</summary>
    /// <param name="variables">Those.</param>
    /// <param name="headers">Whether processes get the request's.</param>
    public CgiEnvironment(IDictionary variables, bool headers)
    {
        _headers = headers;
        _inherited = (byte**)NativeMemory.AllocZeroed((nuint)(variables.Count + 1), (nuint)sizeof(byte*));
        foreach (DictionaryEntry variable in variables)
        {
            var name = (string)variable.Key;
            if (headers && name.StartsWith("Http_", StringComparison.Ordinal)) continue;
            _inherited[_count++] = (byte*)Marshal.StringToCoTaskMemUTF8($"{name}={variable.Value}");
        }
    }

    /// <summary>The watchdog's own variables: envp.</summary>
    public byte** Inherited => _inherited;

    /// <summary>Makes the environment of a call. It is valid until the next on the same thread.</summary>
    /// <param name="head">The request.</param>
    /// <param name="contentLength">Bytes of its body, −1 for chunks.</param>
    /// <param name="environment">envp.</param>
    /// <returns>False when the path is not one: it has a <c>%00</c>, or a percent sign without two digits.</returns>
    public bool TryMake(RequestHead head, long contentLength, out byte** environment)
    {
        environment = _inherited;
        if (!_headers) return true;
        var text = (t_text ??= new ByteBuilder(4096)).Clear();
        var starts = t_starts ??= new List<int>(64);
        starts.Clear();

        Add(text, starts, "Http_Method="u8, head.Method);
        Add(text, starts, "Http_ContentLength="u8, contentLength);
        Add(text, starts, "Http_Content_Length="u8, contentLength);
        if (contentLength < 0) Add(text, starts, "Http_Transfer_Encoding="u8, "chunked"u8);
        if (!head.Query.IsEmpty) Add(text, starts, "Http_Query="u8, head.Query);
        starts.Add(text.Length);
        text.Add("Http_Path="u8);
        if (!TryDecode(head.Path, text)) return false;
        text.Add("\0"u8);
        if (head.Fields.Find("Host"u8) is { IsEmpty: false } host) Add(text, starts, "Http_Host="u8, host);
        for (var i = 0; i < head.Fields.Count; i++)
        {
            var name = head.Fields.Name(i);
            if (!IsVariable(name) || head.Fields.IndexOf(name) < i) continue;
            starts.Add(text.Length);
            text.Add("Http_"u8);
            AddCanonical(text, name);
            text.Add("="u8).Add(head.Fields.Value(i)).Add("\0"u8);
        }
        environment = ToNative(text.Span, starts);
        return true;
    }

    /// <summary>A header's name as Go writes it: <c>x-call-id</c> is <c>X-Call-Id</c>; dashes become <paramref name="dash"/>.</summary>
    public static void AddCanonical(ByteBuilder text, ReadOnlySpan<byte> name, byte dash = (byte)'_')
    {
        var room = text.Room(name.Length);
        var begins = true;
        for (var i = 0; i < name.Length; i++)
        {
            var b = name[i];
            room[i] = b == '-' ? dash : begins ? (byte)char.ToUpperInvariant((char)b) : (byte)char.ToLowerInvariant((char)b);
            begins = b == '-';
        }
        text.Advance(name.Length);
    }

    private static bool IsVariable(ReadOnlySpan<byte> name)
    {
        foreach (var b in name)
        {
            if (!char.IsAsciiLetterOrDigit((char)b) && b != '-') return false;
        }
        foreach (var reserved in Reserved)
        {
            if (Ascii.EqualsIgnoreCase(name, reserved)) return false;
        }
        return true;
    }

    private static bool TryDecode(ReadOnlySpan<byte> path, ByteBuilder text)
    {
        for (var i = 0; i < path.Length; i++)
        {
            var b = path[i];
            if (b == '%')
            {
                if (i + 2 >= path.Length || !char.IsAsciiHexDigit((char)path[i + 1]) || !char.IsAsciiHexDigit((char)path[i + 2])) return false;
                b = (byte)(HexValue(path[i + 1]) * 16 + HexValue(path[i + 2]));
                i += 2;
                if (b == 0) return false;
            }
            text.Room(1)[0] = b;
            text.Advance(1);
        }
        return true;
    }

    private static int HexValue(byte digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

    private static void Add(ByteBuilder text, List<int> starts, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        starts.Add(text.Length);
        text.Add(name).Add(value).Add("\0"u8);
    }

    private static void Add(ByteBuilder text, List<int> starts, ReadOnlySpan<byte> name, long value)
    {
        starts.Add(text.Length);
        text.Add(name).Add(value).Add("\0"u8);
    }

    private byte** ToNative(ReadOnlySpan<byte> text, List<int> starts)
    {
        if (text.Length > t_nativeRoom) t_native = (byte*)NativeMemory.Realloc(t_native, (nuint)(t_nativeRoom = text.Length * 2));
        var count = _count + starts.Count + 1;
        if (count > t_pointerRoom) t_pointers = (byte**)NativeMemory.Realloc(t_pointers, (nuint)((t_pointerRoom = count * 2) * sizeof(byte*)));
        text.CopyTo(new Span<byte>(t_native, text.Length));
        new ReadOnlySpan<nint>(_inherited, _count).CopyTo(new Span<nint>(t_pointers, _count));
        for (var i = 0; i < starts.Count; i++) t_pointers[_count + i] = t_native + starts[i];
        t_pointers[_count + starts.Count] = null;
        return t_pointers;
    }
}
