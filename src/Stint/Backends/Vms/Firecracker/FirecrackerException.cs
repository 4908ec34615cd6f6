namespace Stint.Backends.Vms.Firecracker;

/// <summary>Firecracker refused a request, or its API broke off.</summary>
internal sealed class FirecrackerException(string message, Exception? inner = null) : IOException(message, inner);
