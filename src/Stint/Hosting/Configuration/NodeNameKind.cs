using Stint.Cluster.Identity;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>A machine's name.</summary>
internal sealed class NodeNameKind() : PatternKind("1 to 63 characters out of a-z 0-9 and -, neither beginning nor ending with -", static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-', 63)
{
    /// <inheritdoc/>
    protected override bool IsGood(string text) => NodeName.IsValid(text);
}
