using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Stint.Backends.Processes.Protocol;
using Stint.Functions;

namespace Stint.Backends.Wasm;

/// <summary>The messages that a runner has besides those of the runtime interface (docs/webassembly.md, "The runner").</summary>
internal static class RunnerFrames
{
    /// <summary>→ runner: compile and keep this module.</summary>
    public const FrameType Module = (FrameType)6;

    /// <summary>→ runner: a function's settings.</summary>
    public const FrameType Function = (FrameType)7;

    /// <summary>→ runner: drop a module, and the functions that use it.</summary>
    public const FrameType Forget = (FrameType)8;

    /// <summary>→ runner: what came of a request to the world.</summary>
    public const FrameType Fetched = (FrameType)9;

    /// <summary>→ daemon: a piece of the call's log.</summary>
    public const FrameType Log = (FrameType)21;

    /// <summary>→ daemon: the guest wants something of the world.</summary>
    public const FrameType Fetch = (FrameType)22;

    /// <summary>FUNCTION: <c>key NUL hash NUL interface NUL output NUL name NUL count [NUL argument]… [NUL name NUL value]…</c></summary>
    /// <exception cref="InstanceStartException">Arguments and environment are too long.</exception>
    public static byte[] OfFunction(string key, string hash, string name, WasmInterface kind, WasmSpec spec, IReadOnlyDictionary<string, string> environment)
    {
        var head = new StringBuilder();
        head.Append(key).Append('\0').Append(hash).Append('\0').Append(kind == WasmInterface.FunLess ? "funless" : "wasi");
        head.Append(CultureInfo.InvariantCulture, $"\0{(long)spec.OutputMiB << 20}\0{name}\0{spec.Args.Count}");
        foreach (var argument in spec.Args) head.Append('\0').Append(argument);
        foreach (var (variable, value) in environment) head.Append('\0').Append(variable).Append('\0').Append(value);
        var frame = OfHead(Function, head.ToString());
        return frame.Length <= Frame.HeaderSize + Frame.MaxPart
            ? frame
            : throw new InstanceStartException($"the function's arguments and environment variables take {frame.Length:N0} bytes, more than {Frame.MaxPart:N0}; make args and [env] smaller");
    }

    /// <summary>A frame without a body.</summary>
    public static byte[] OfHead(FrameType type, string head)
    {
        var bytes = Encoding.UTF8.GetBytes(head);
        var frame = new byte[Frame.HeaderSize + bytes.Length];
        Frame.WriteHeader(frame, type, more: false, bytes.Length, 0);
        bytes.CopyTo(frame, Frame.HeaderSize);
        return frame;
    }

    /// <summary>A message of any size in frames, each in a rented array: the first has the head and, for FETCHED, the status.</summary>
    public static IEnumerable<(byte[] Rented, int Length)> Split(FrameType type, string head, ushort status, ReadOnlyMemory<byte> body)
    {
        var headSize = Encoding.UTF8.GetByteCount(head);
        var isFirst = true;
        do
        {
            var piece = body[..Math.Min(body.Length, Frame.MaxPart)];
            body = body[piece.Length..];
            var before = isFirst ? headSize : 0;
            var length = Frame.HeaderSize + before + piece.Length;
            var rented = ArrayPool<byte>.Shared.Rent(length);
            Frame.WriteHeader(rented, isFirst ? type : FrameType.Body, more: !body.IsEmpty, before, piece.Length);
            if (isFirst)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(rented.AsSpan(6), status);
                Encoding.UTF8.GetBytes(head, rented.AsSpan(Frame.HeaderSize));
            }
            piece.CopyTo(rented.AsMemory(Frame.HeaderSize + before));
            yield return (rented, length);
            isFirst = false;
        }
        while (!body.IsEmpty);
    }
}
