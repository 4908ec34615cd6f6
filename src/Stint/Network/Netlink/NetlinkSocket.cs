using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Stint.Network.Netlink;

/// <summary>Takes one message of the kernel's answer: its fixed part and attributes.</summary>
internal delegate void NetlinkMessageSink(ushort type, ReadOnlySpan<byte> body);

/// <summary>
/// A conversation with the kernel about the network namespace in which the socket was opened, whatever namespace its user is in later. Not for two threads at a time.
/// </summary>
internal sealed class NetlinkSocket : IDisposable
{
    // The kernel makes its datagrams at most 32 KiB long (NLMSG_GOODSIZE and netlink_dump).
    private const int BufferSize = 64 * 1024;
    private const ushort TypeNoop = 1;
    private const ushort TypeError = 2;
    private const ushort TypeDone = 3;
    private const ushort TypeOverrun = 4;
    private const ushort FlagCapped = 0x100;     // of an error: only the header of our request comes back
    private const ushort FlagAttributes = 0x200; // of an error: attributes follow
    private const ushort FlagInterrupted = 0x10; // of a dump: something changed meanwhile
    private const ushort ErrorMessage = 1;       // NLMSGERR_ATTR_MSG

    private readonly SafeFileHandle _socket;
    private readonly byte[] _received = new byte[BufferSize];
    private uint _sequence;

    /// <summary>Opens one in the calling thread's network namespace.</summary>
    /// <exception cref="NetlinkException">There is no netlink.</exception>
    public unsafe NetlinkSocket()
    {
        var socket = LinuxCalls.OpenSocket(LinuxCalls.AddressFamilyNetlink, LinuxCalls.SocketRaw | LinuxCalls.CloseOnExec, LinuxCalls.NetlinkRoute);
        if (socket < 0) throw new NetlinkException("speak with the kernel about its network", Marshal.GetLastPInvokeError());
        _socket = new SafeFileHandle(socket, ownsHandle: true);
        // Linux 4.12; without it errors are numbers only.
        var on = 1;
        _ = LinuxCalls.SetSocketOption(_socket, LinuxCalls.LevelNetlink, LinuxCalls.OptionExtendedAcks, &on, sizeof(int));
    }

    /// <summary>The number for the next request.</summary>
    public uint NextSequence() => ++_sequence;

    /// <summary>Sends a request and takes the kernel's answer: the messages of a dump, or an acknowledgement.</summary>
    /// <param name="operation">What is tried, for messages: "make the link faas0".</param>
    /// <param name="request">It must ask for an acknowledgement or a dump.</param>
    /// <param name="sink">Takes what comes before the end.</param>
    /// <returns>False when the list may be wrong because something changed meanwhile; ask again.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public bool Ask(string operation, in NetlinkRequest request, NetlinkMessageSink? sink = null)
    {
        Send(operation, request.Bytes);
        var isWhole = true;
        while (Take(operation, Receive(operation), _sequence, sink, ref isWhole) == Progress.More) { }
        return isWhole;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>Takes one datagram of an answer.</summary>
    internal static Progress Take(string operation, ReadOnlySpan<byte> datagram, uint sequence, NetlinkMessageSink? sink, ref bool isWhole)
    {
        var answer = new NetlinkAnswer(datagram);
        while (answer.Next())
        {
            if (answer.Sequence != sequence) continue; // what an earlier request that failed left
            if ((answer.Flags & FlagInterrupted) != 0) isWhole = false;
            switch (answer.Type)
            {
                case TypeNoop:
                    break;
                case TypeOverrun:
                    throw new NetlinkException(operation, "the kernel's answer was lost");
                case TypeDone or TypeError:
                    RequireSuccess(operation, answer);
                    return Progress.End;
                default:
                    sink?.Invoke(answer.Type, answer.Body);
                    break;
            }
        }
        return answer.IsBroken ? throw new NetlinkException(operation, "the kernel's answer is cut off") : Progress.More;
    }

    // NLMSG_ERROR: errno (0 = acknowledged), the request's header, the request itself unless capped, attributes. NLMSG_DONE: errno, if anything.
    private static void RequireSuccess(string operation, in NetlinkAnswer answer)
    {
        var body = answer.Body;
        if (body.Length < sizeof(int))
        {
            if (answer.Type == TypeDone) return;
            throw new NetlinkException(operation, "the kernel's answer is cut off");
        }
        var error = MemoryMarshal.Read<int>(body);
        if (error == 0) return;
        string? detail = null;
        if (answer.Type == TypeError && (answer.Flags & FlagAttributes) != 0 && body.Length >= sizeof(int) + NetlinkRequest.HeaderLength)
        {
            var echoed = (answer.Flags & FlagCapped) != 0 ? NetlinkRequest.HeaderLength : MemoryMarshal.Read<uint>(body[sizeof(int)..]);
            var skipped = sizeof(int) + (((long)echoed + 3) & ~3L);
            var attributes = new NetlinkAttributes(skipped <= body.Length ? body[(int)skipped..] : default);
            while (attributes.Next())
                if (attributes.Type == ErrorMessage) detail = attributes.Text;
        }
        // A kernel's error is negative; int.MinValue has no positive counterpart.
        throw new NetlinkException(operation, error is < 0 and > -4096 ? -error : 22, detail);
    }

    private unsafe void Send(string operation, ReadOnlySpan<byte> bytes)
    {
        var kernel = new LinuxCalls.NetlinkAddress { Family = LinuxCalls.AddressFamilyNetlink };
        fixed (byte* buffer = bytes)
            if (LinuxCalls.Send(_socket, buffer, bytes.Length, 0, &kernel, (uint)sizeof(LinuxCalls.NetlinkAddress)) != bytes.Length)
                throw new NetlinkException(operation, Marshal.GetLastPInvokeError());
    }

    private unsafe ReadOnlySpan<byte> Receive(string operation)
    {
        while (true)
        {
            LinuxCalls.NetlinkAddress from;
            var addressLength = (uint)sizeof(LinuxCalls.NetlinkAddress);
            nint length;
            fixed (byte* buffer = _received)
                length = LinuxCalls.Receive(_socket, buffer, BufferSize, LinuxCalls.MessageTruncated | LinuxCalls.MessageDontWait, &from, &addressLength);
            if (length < 0) throw new NetlinkException(operation, Marshal.GetLastPInvokeError());
            if (length > BufferSize) throw new NetlinkException(operation, "the kernel's answer is longer than this program expects");
            if (from.Port == 0) return _received.AsSpan(0, (int)length); // else it is not the kernel who speaks
        }
    }

    /// <summary>How far an answer has come.</summary>
    internal enum Progress
    {
        /// <summary>More datagrams follow.</summary>
        More,

        /// <summary>That was all.</summary>
        End,
    }
}
