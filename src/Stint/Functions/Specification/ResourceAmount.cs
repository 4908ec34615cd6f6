using System.Globalization;

namespace Stint.Functions.Specification;

/// <summary>Amounts as Kubernetes and Docker write them: <c>128Mi</c>, <c>128m</c>, <c>1Gi</c> of memory; <c>100m</c>, <c>0.5</c> processors.</summary>
internal static class ResourceAmount
{
    private const double Mebibyte = 1024 * 1024;

    // In memory "m" is Docker's mebibyte, not Kubernetes' thousandth, which nobody means there.
    private static readonly (string Suffix, double Bytes)[] Units =
    [
        ("Ki", 1024), ("Mi", Mebibyte), ("Gi", 1024 * Mebibyte), ("Ti", Mebibyte * Mebibyte), ("kb", 1024), ("mb", Mebibyte), ("gb", 1024 * Mebibyte),
        ("k", 1024), ("m", Mebibyte), ("g", 1024 * Mebibyte), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("b", 1), ("", 1),
    ];

    /// <summary>Memory in MiB, rounded up.</summary>
    public static bool TryMemory(string text, out int mebibytes)
    {
        mebibytes = 0;
        foreach (var (suffix, bytes) in Units)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal)) continue;
            if (!TryNumber(text.AsSpan(0, text.Length - suffix.Length), out var number)) return false;
            var amount = Math.Ceiling(number * bytes / Mebibyte);
            if (amount is < 1 or > int.MaxValue) return false;
            mebibytes = (int)amount;
            return true;
        }
        return false;
    }

    /// <summary>Processors.</summary>
    public static bool TryCpus(string text, out double cpus)
    {
        var isThousandths = text.EndsWith('m');
        if (!TryNumber(isThousandths ? text.AsSpan(0, text.Length - 1) : text, out cpus)) return false;
        if (isThousandths) cpus /= 1000;
        return cpus > 0;
    }

    /// <summary>Memory as text.</summary>
    public static string Memory(int mebibytes) => string.Create(CultureInfo.InvariantCulture, $"{mebibytes}Mi");

    /// <summary>Processors as text.</summary>
    public static string Cpus(double cpus) => string.Create(CultureInfo.InvariantCulture, $"{Math.Round(cpus * 1000)}m");

    private static bool TryNumber(ReadOnlySpan<char> text, out double number) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number) && double.IsFinite(number);
}
