using System.Runtime.CompilerServices;

// The stack buffers of the receive path are written before they are read; clearing 8 KiB per datagram would cost more than parsing it.
[module: SkipLocalsInit]
