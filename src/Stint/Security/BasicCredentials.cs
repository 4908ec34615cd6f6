using System.Security.Cryptography;
using System.Text;

namespace Stint.Security;

/// <summary>
/// A user and a password (RFC 7617) out of the files that OpenFaaS's gateway reads: <c>basic-auth-user</c> and <c>basic-auth-password</c> in the folder of its secrets.
/// </summary>
internal sealed class BasicCredentials
{
    private const string UserFile = "basic-auth-user", PasswordFile = "basic-auth-password";

    private readonly byte[] _user, _password;

    private BasicCredentials(string user, string password) => (_user, _password) = (Hash(user), Hash(password));

    /// <summary>Reads both files. Space around what they say does not count.</summary>
    /// <exception cref="IOException">One is missing, empty, or cannot be read; the message says what to do.</exception>
    public static BasicCredentials Load(string folder) => new(Read(folder, UserFile), Read(folder, PasswordFile));

    /// <summary>Whether they are these. Takes as long for any others.</summary>
    public bool Accepts(string user, string password) =>
        CryptographicOperations.FixedTimeEquals(Hash(user), _user) & CryptographicOperations.FixedTimeEquals(Hash(password), _password);

    /// <summary>Takes an <c>Authorization</c> header apart; false when it is not of this scheme, or broken.</summary>
    public static bool TryParse(string? authorization, out string user, out string password)
    {
        const string scheme = "Basic ";
        (user, password) = ("", "");
        if (authorization is null || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)) return false;
        var text = authorization.AsSpan(scheme.Length).Trim();
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64Chars(text, bytes, out var count)) return false;
        var pair = Encoding.UTF8.GetString(bytes, 0, count);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0) return false;
        (user, password) = (pair[..colon], pair[(colon + 1)..]);
        return true;
    }

    private static string Read(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        string text;
        try
        {
            text = File.ReadAllText(path).Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"basic-auth is on, but {path} cannot be read: {failure.Message} Put user and password into {UserFile} and {PasswordFile} there, or name another folder with --secret-mount-path", failure);
        }
        return text.Length > 0 ? text : throw new IOException($"basic-auth is on, but {path} is empty; write the {(name == UserFile ? "user" : "password")} into it");
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
