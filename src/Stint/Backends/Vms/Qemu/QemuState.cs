// QEMU's migration (docs/devel/migration.rst of QEMU) with a file in the place of the other host. The file is the daemon's and never a hypervisor's: the bytes pass through a Unix socket, and the daemon reads or writes them.
//
//   save    stop ─▶ migrate unix:SOCKET, where we listen ─▶ file, until QEMU says that it is complete
//   load    -incoming defer ─▶ migrate-incoming unix:SOCKET, where QEMU listens ─▶ the file's bytes ─▶ cont
//
// Only pages that the guest has used are in it.
using System.Buffers;
using System.Net.Sockets;
using Stint.Backends.Vms.Disks;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Qemu;

/// <summary>Moves a machine's state, memory included, between QEMU and a file.</summary>
/// <param name="monitor">The connection.</param>
/// <param name="plan">The machine.</param>
internal sealed class QemuState(QmpClient monitor, VmPlan plan)
{
    private const int PieceSize = 1 << 20;

    // Devices have some hundred KiB, memory a little more than its size.
    private const int DevicesMiB = 64;

    private static readonly MigrationParameters Unlimited = new() { MaxBandwidth = 1L << 40 };

    /// <summary>Writes the state of a machine that stands still.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public async Task SaveAsync(string file, CancellationToken cancellationToken)
    {
        var path = Path.Combine(plan.Folder, "state.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        VmDisks.GiveTo(path, plan.User);
        listener.Listen(1);
        await monitor.ExecuteAsync("migrate-set-parameters", Unlimited, QmpJson.Default.MigrationParameters, cancellationToken).ConfigureAwait(false);
        await monitor.ExecuteAsync("migrate", new MigrationTarget($"unix:{path}"), QmpJson.Default.MigrationTarget, cancellationToken).ConfigureAwait(false);
        using var socket = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
        await ReceiveAsync(socket, file, cancellationToken).ConfigureAwait(false);
        await CompletedAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives a QEMU that waits for it the state of a file, and lets the machine go on.</summary>
    /// <exception cref="IOException">QEMU does not take it.</exception>
    public async Task LoadAsync(string file, CancellationToken cancellationToken)
    {
        var path = Path.Combine(plan.Scratch, "incoming.sock");
        await monitor.ExecuteAsync("migrate-incoming", new MigrationTarget($"unix:{path}"), QmpJson.Default.MigrationTarget, cancellationToken).ConfigureAwait(false);
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            // It lies in a folder of the hypervisor's user: a link there must not make us talk to somebody else's service.
            if (!FileStat.TryRead(path, out var stat) || !stat.IsSocket) throw new QmpException("QEMU does not listen for its state");
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            await SendAsync(file, socket, cancellationToken).ConfigureAwait(false);
        }
        await CompletedAsync(cancellationToken).ConfigureAwait(false);
        await monitor.ExecuteAsync("cont", cancellationToken).ConfigureAwait(false);
    }

    private async Task ReceiveAsync(Socket socket, string file, CancellationToken cancellationToken)
    {
        var limit = (plan.Spec.MemoryMiB * 9L / 8 + DevicesMiB) << 20;
        var buffer = ArrayPool<byte>.Shared.Rent(PieceSize);
        try
        {
            await using var target = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, Options = FileOptions.Asynchronous });
            while (await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false) is > 0 and var count)
            {
                if (target.Length + count > limit) throw new QmpException($"QEMU sends more than {limit >> 20} MiB as the state of a machine of {plan.Spec.MemoryMiB} MiB");
                await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task SendAsync(string file, Socket socket, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PieceSize);
        try
        {
            await using var source = new FileStream(file, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.Read | FileShare.Delete, BufferSize = 0, Options = FileOptions.SequentialScan });
            while (await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
                for (var sent = 0; sent < count;) sent += await socket.SendAsync(buffer.AsMemory(sent, count - sent), SocketFlags.None, cancellationToken).ConfigureAwait(false);
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException failure)
        {
            throw new QmpException($"QEMU does not take its state: {failure.Message}", failure);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // The bytes are through; what is left is QEMU's to finish, in microseconds.
    private async Task CompletedAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var info = await monitor.QueryAsync("query-migrate", QmpJson.Default.MigrationInfo, cancellationToken).ConfigureAwait(false);
            if (info.Status == "completed") return;
            if (info.Status is "failed" or "cancelled" or "none" or null) throw new QmpException($"QEMU's state is {info.Status ?? "unknown"}: {info.Error ?? "it does not say why"}");
        }
    }
}
