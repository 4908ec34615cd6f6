namespace Stint.Functions.Specification;

/// <summary>The backends that this version does not run, whose keys are not looked at: none at present.</summary>
internal static class OtherBackends
{
    /// <summary>Their tables' names.</summary>
    public static IReadOnlyList<string> Names { get; } = [];
}
