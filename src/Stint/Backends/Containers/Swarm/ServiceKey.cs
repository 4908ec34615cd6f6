using System.Security.Cryptography;
using System.Text;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Containers.Swarm;

/// <summary>What a service stands for: a function's version with its secrets of one moment, reached in one way. Equal keys, equal services.</summary>
/// <param name="Function">The function.</param>
/// <param name="Revision">Of version, secrets and way; lower-case hex.</param>
internal readonly record struct ServiceKey(FunctionName Function, string Revision)
{
    // What Swarm allows: a host's name.
    private const int LongestName = 63;
    private const int DigitsInName = 8;

    /// <summary>The key of a version now.</summary>
    /// <param name="secrets">The state of its secrets (<see cref="FunctionSecrets.Stamp"/>).</param>
    /// <param name="published">Nodes publish its port.</param>
    public static ServiceKey Of(FunctionVersion version, string secrets, bool published) => new(version.Name,
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{version.Id}\n{secrets}\n{published}")))[..16]);

    /// <summary>The service's name: the function's, as far as it goes, and digits that make it this revision's alone.</summary>
    public string ServiceName
    {
        get
        {
            var name = new StringBuilder();
            foreach (var c in Function.ToString())
                if (char.IsAsciiLetterOrDigit(c) || name.Length > 0 && c == '-' && name[^1] != '-') name.Append(c);
                else if (name.Length > 0 && name[^1] != '-') name.Append('-');
            if (name.Length > LongestName - 1 - DigitsInName) name.Length = LongestName - 1 - DigitsInName;
            var stem = name.ToString().Trim('-');
            return $"{(stem.Length == 0 ? "function" : stem)}-{Revision[..DigitsInName]}";
        }
    }

    /// <summary>The function's name in the overlay, for other services: <c>NAME</c>, or <c>NAME.MODULE</c>; null when it has a part that is too long for a name of DNS.</summary>
    public string? Alias => Math.Max(Function.Name.Length, Function.Module.Length) <= LongestName ? Function.ToString() : null;
}
