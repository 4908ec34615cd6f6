using System.Security.Cryptography;
using System.Text;

namespace Stint.Security;

/// <summary>The token of the management endpoint: made at the first start, kept in a file that only the daemon's user can read, compared in constant time.</summary>
internal sealed class ManagementToken
{
    private readonly byte[] _hash;

    private ManagementToken(string token) => _hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));

    /// <summary>Reads the file, making it when it does not exist.</summary>
    /// <exception cref="IOException">The file cannot be read or made, or is empty.</exception>
    public static ManagementToken LoadOrCreate(string path)
    {
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using var file = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            file.Write(Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(64, lowercase: true) + "\n"));
        }
        var token = File.ReadAllText(path).Trim();
        return token.Length >= 16 ? new ManagementToken(token) : throw new IOException($"the token in {path} has fewer than 16 characters; delete the file to have one made");
    }

    /// <summary>Whether an <c>Authorization</c> header carries the token (RFC 6750 section 2.1).</summary>
    public bool Accepts(string? authorization)
    {
        const string scheme = "Bearer ";
        if (authorization is null || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)) return false;
        return Is(authorization.AsSpan(scheme.Length).Trim().ToString());
    }

    /// <summary>Whether it is the token.</summary>
    public bool Is(string text) => CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(text)), _hash);
}
