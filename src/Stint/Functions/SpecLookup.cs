using Stint.Invocations;

namespace Stint.Functions;

/// <summary>What a function's <c>function.toml</c> says now: whether there is such a function, and its specification unless the file cannot be read.</summary>
internal delegate (bool IsDeployed, FunctionSpec? Spec) SpecLookup(FunctionName name);
