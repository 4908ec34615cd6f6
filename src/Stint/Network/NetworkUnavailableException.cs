namespace Stint.Network;

/// <summary>The network that was asked for cannot be had on this host; the message says why and what to do.</summary>
internal sealed class NetworkUnavailableException(string message, Exception? innerException = null) : IOException(message, innerException);
