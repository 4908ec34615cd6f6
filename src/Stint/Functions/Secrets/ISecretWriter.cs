namespace Stint.Functions.Secrets;

/// <summary>Who changes secrets: this machine's folder, or a store that several machines share.</summary>
internal interface ISecretWriter
{
    /// <summary>Adds a secret; false when there is one of that name.</summary>
    Task<bool> TryAddAsync(string module, string name, byte[] value, CancellationToken cancellationToken);

    /// <summary>Gives a secret another value; false when there is none of that name.</summary>
    Task<bool> TryReplaceAsync(string module, string name, byte[] value, CancellationToken cancellationToken);

    /// <summary>Removes a secret; false when there is none of that name.</summary>
    Task<bool> TryRemoveAsync(string module, string name, CancellationToken cancellationToken);
}
