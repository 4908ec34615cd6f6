namespace Stint.Backends.Vms.Qemu;

/// <summary>QEMU refused a command, or broke its protocol.</summary>
internal sealed class QmpException(string message, Exception? inner = null) : IOException(message, inner);
