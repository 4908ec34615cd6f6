using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>One option of the daemon with its three spellings.</summary>
/// <param name="Setting">The key of <c>stint.toml</c>.</param>
/// <param name="OtherVariables">Variables of other systems that mean the same, weaker than our own.</param>
internal sealed record DaemonOption(Setting<DaemonOptions> Setting, params IReadOnlyList<string> OtherVariables)
{
    /// <summary>The name, as in <c>stint.toml</c>.</summary>
    public string Name => Setting.Name;

    /// <summary>The flag.</summary>
    public string Flag => $"--{Name}";

    /// <summary>The flag's short form, as UniFaaS has it; null for most.</summary>
    public string? Short { get; init; }

    /// <summary>The environment variable.</summary>
    public string Variable { get; } = $"STINT_{Setting.Name.ToUpperInvariant().Replace('-', '_')}";

    /// <summary>One line that says what it does.</summary>
    public string Help => Setting.Help;

    /// <summary>What values it takes.</summary>
    public string Kind => Setting.Kind;

    /// <summary>The default, in TOML's notation or in words.</summary>
    public string Default => Setting.Default;

    /// <summary>Whether the flag needs no value.</summary>
    public bool IsSwitch => Setting.IsSwitch;
}
