using System.IO.Pipelines;

namespace Stint.Deliveries.Storage;

/// <summary>Keeps bodies that are too large for an entry: durable before the entry that names them is, removed after it.</summary>
internal interface IBodyStore
{
    /// <summary>Copies a body, which is durable when the task ends.</summary>
    /// <param name="body">Read to its end.</param>
    /// <param name="room">Bytes that there is room for.</param>
    /// <returns>Its name and length; null when there is no room.</returns>
    /// <exception cref="StoreException">The disk is full, or the store is away.</exception>
    /// <exception cref="IOException">The body cannot be read, or not be written.</exception>
    Task<(string Name, long Length)?> WriteAsync(PipeReader body, long room);

    /// <summary>Opens a body, which can be read to its end whatever happens to the store from then on.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    /// <exception cref="IOException">It is not there.</exception>
    Task<FileStream> OpenAsync(string name);
}
