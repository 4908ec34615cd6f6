namespace Stint.Scheduling;

/// <summary>What a call needs of the machine that is to run it.</summary>
/// <param name="Tag">The function's tag, which selects the entry of a script; null = it has none.</param>
/// <param name="Capacity">The function's memory, bytes.</param>
internal readonly record struct SchedulingRequest(string? Tag, long Capacity);
