// One file, the same on every gateway: 32 random bytes in hex, for the daemon's user alone. The database alone, or a backup of it, gives no secret away.
//
//   sealed = 1 | nonce (12) | tag (16) | AES-256-GCM(value), with what it belongs to as associated data: a sealed value that is moved to another name does not open
using System.Security.Cryptography;
using System.Text;

namespace Stint.Cluster.Store;

/// <summary>The key with which secrets are sealed before they go to the store.</summary>
internal sealed class StoreKey
{
    private const byte Format = 1;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int HeaderSize = 1 + NonceSize + TagSize;

    private readonly byte[] _key;

    private StoreKey(byte[] secret)
    {
        _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: "stint store: seal"u8.ToArray());
        Check = Convert.ToHexStringLower(HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: "stint store: check"u8.ToArray()));
    }

    /// <summary>Says whether two keys are the same, and nothing else of them. The store keeps it.</summary>
    public string Check { get; }

    /// <summary>Reads a key file; null when there is none.</summary>
    /// <exception cref="StoreException">It holds no key, or others may read it.</exception>
    public static StoreKey? Load(string path)
    {
        if (!File.Exists(path)) return null;
        if ((File.GetUnixFileMode(path) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
            throw new StoreException(StoreFault.WrongKey, $"others may read the key file {path}; make it its owner's alone: chmod 600 {path}");
        var text = File.ReadAllText(path).Trim();
        return text.Length == 64 && text.All(char.IsAsciiHexDigit)
            ? new StoreKey(Convert.FromHexString(text))
            : throw new StoreException(StoreFault.WrongKey, $"{path} is no key file: one has 64 hexadecimal digits; copy it from another gateway");
    }

    /// <summary>Makes a key file.</summary>
    /// <exception cref="IOException">There is one, or it cannot be made.</exception>
    public static StoreKey Create(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        var text = RandomNumberGenerator.GetHexString(64, lowercase: true);
        file.Write(Encoding.ASCII.GetBytes(text + "\n"));
        file.Flush(flushToDisk: true);
        return new StoreKey(Convert.FromHexString(text));
    }

    /// <summary>The key of this machine, for this store: the file's, which is made when the store has none yet.</summary>
    /// <exception cref="StoreException">The store has another key, or there is no file; or the store is away.</exception>
    public static async Task<StoreKey> OpenAsync(string path, ClusterStore store, CancellationToken cancellationToken)
    {
        var key = Load(path);
        var check = await store.UseAsync(connection => connection.ValueAsync<string>("select key_check from stint.store", [], cancellationToken), cancellationToken).ConfigureAwait(false);
        if (check is null)
        {
            key ??= Create(path);
            // Of two that come at the same time, one is first; the other's file is then the wrong one.
            check = await store.TransactAsync(async connection =>
            {
                await connection.ExecuteAsync("update stint.store set key_check = $1 where key_check is null", [Sql.Text(key.Check)], cancellationToken).ConfigureAwait(false);
                return await connection.ValueAsync<string>("select key_check from stint.store", [], cancellationToken).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        }
        if (key is null) throw new StoreException(StoreFault.WrongKey, $"there is no key file {path}, and the store {store.Address} has one already; copy the file from a gateway that has it");
        if (key.Check != check) throw new StoreException(StoreFault.WrongKey, $"the key file {path} is not the one of the store {store.Address}; copy the file from a gateway that has it");
        return key;
    }

    /// <summary>Seals a value.</summary>
    /// <param name="purpose">What it belongs to.</param>
    /// <param name="value">The value.</param>
    public byte[] Seal(string purpose, ReadOnlySpan<byte> value)
    {
        var result = new byte[HeaderSize + value.Length];
        result[0] = Format;
        var nonce = result.AsSpan(1, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        using var cipher = new AesGcm(_key, TagSize);
        cipher.Encrypt(nonce, value, result.AsSpan(HeaderSize), result.AsSpan(1 + NonceSize, TagSize), Encoding.UTF8.GetBytes(purpose));
        return result;
    }

    /// <summary>Opens what was sealed.</summary>
    /// <exception cref="StoreException">It was sealed with another key or for another purpose, or was altered.</exception>
    public byte[] Unseal(string purpose, ReadOnlySpan<byte> data)
    {
        if (data.Length < HeaderSize || data[0] != Format) throw Damaged(purpose, null);
        var value = new byte[data.Length - HeaderSize];
        using var cipher = new AesGcm(_key, TagSize);
        try
        {
            cipher.Decrypt(data.Slice(1, NonceSize), data[HeaderSize..], data.Slice(1 + NonceSize, TagSize), value, Encoding.UTF8.GetBytes(purpose));
        }
        catch (AuthenticationTagMismatchException e)
        {
            throw Damaged(purpose, e);
        }
        return value;
    }

    private static StoreException Damaged(string purpose, Exception? inner) =>
        new(StoreFault.Corrupt, $"the store's {purpose} does not open with this machine's key: it was altered, or sealed with another key; set it again", inner);
}
