using System.Security.Cryptography.X509Certificates;

namespace Stint.Cluster.Identity;

/// <summary>Names of machines: a label of DNS, so that it is a certificate's name as it is.</summary>
internal static class NodeName
{
    /// <summary>What is said of a name that is none.</summary>
    public const string Rule = "a machine's name has 1 to 63 characters out of a-z 0-9 and -, and neither begins nor ends with -";

    private const string Domain = ".node.stint";

    /// <summary>Whether it is one (RFC 1123, 2.1; lower case only, so that there is one spelling).</summary>
    public static bool IsValid(string? name) =>
        name is { Length: > 0 and <= 63 } && name[0] != '-' && name[^1] != '-' && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    /// <summary>The name that comes nearest to a host's: lower case, up to the first dot, every other character a dash.</summary>
    public static string Of(string host)
    {
        var label = host.ToLowerInvariant().Split('.')[0];
        var name = new string([.. label.Select(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) ? c : '-')]).Trim('-');
        return name.Length == 0 ? "node" : name[..Math.Min(name.Length, 63)].TrimEnd('-');
    }

    /// <summary>The name in a certificate, and what a client asks a server for.</summary>
    public static string Dns(string name) => name + Domain;

    /// <summary>The subject of its certificate.</summary>
    public static X500DistinguishedName Subject(string name) => new($"CN={Dns(name)}");

    /// <summary>The machine that a certificate is of; null when it is none of a machine's.</summary>
    public static string? Of(X509Certificate2 certificate)
    {
        foreach (var extension in certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>())
        {
            var names = extension.EnumerateDnsNames().ToList();
            if (names is [var only] && only.EndsWith(Domain, StringComparison.Ordinal) && IsValid(only[..^Domain.Length])) return only[..^Domain.Length];
        }
        return null;
    }
}
