namespace Stint.Functions.Specification;

/// <summary>The backends that this version does not run. Of <c>[wasm]</c> nothing is known yet; its keys are not looked at.</summary>
internal static class OtherBackends
{
    /// <summary>Their tables' names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["wasm"];
}
