using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Stint.CoapLoad;

/// <summary>What to measure.</summary>
internal sealed record Arguments
{
    /// <summary>Null: an echo server in this process.</summary>
    public Uri? Target { get; private init; }

    /// <summary>Clients, each with a socket of its own and one request under way (NSTART 1).</summary>
    public int Clients { get; private init; } = 64;

    public int Seconds { get; private init; } = 5;

    /// <summary>Bytes of the payload; with 0 it is a GET, else a POST. At most 1,024.</summary>
    public int Payload { get; private init; }

    /// <summary>NON instead of CON.</summary>
    public bool NonConfirmable { get; private init; }

    public bool Json { get; private init; }

    public static bool TryParse(string[] args, [NotNullWhen(true)] out Arguments? arguments, [NotNullWhen(false)] out string? problem)
    {
        var parsed = new Arguments();
        arguments = null;
        problem = null;
        for (var i = 0; i < args.Length; i++)
        {
            var number = 0;
            var needsNumber = args[i] is "--clients" or "--seconds" or "--payload";
            if (needsNumber && (++i >= args.Length || !int.TryParse(args[i], NumberStyles.None, CultureInfo.InvariantCulture, out number)))
            {
                problem = $"{args[i - 1]} needs a number";
                return false;
            }

            switch (needsNumber ? args[i - 1] : args[i])
            {
                case "--clients" when number is >= 1 and <= 1024:
                    parsed = parsed with { Clients = number };
                    break;
                case "--seconds" when number is >= 1 and <= 3600:
                    parsed = parsed with { Seconds = number };
                    break;
                case "--payload" when number is >= 0 and <= 1024:
                    parsed = parsed with { Payload = number };
                    break;
                case "--non":
                    parsed = parsed with { NonConfirmable = true };
                    break;
                case "--json":
                    parsed = parsed with { Json = true };
                    break;
                case var text when Uri.TryCreate(text, UriKind.Absolute, out var target) && target.Scheme == "coap":
                    parsed = parsed with { Target = target };
                    break;
                case var text:
                    problem = $"what is {text}?";
                    return false;
            }
        }

        arguments = parsed;
        return true;
    }
}
