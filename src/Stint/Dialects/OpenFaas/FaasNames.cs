using Stint.Invocations;

namespace Stint.Dialects.OpenFaas;

/// <summary>OpenFaaS's <c>name.namespace</c> and our <c>name.module</c>: the same, but for the one that is meant when nobody names one.</summary>
internal static class FaasNames
{
    /// <summary>Their default namespace, our module <c>_</c>.</summary>
    public const string DefaultNamespace = "openfaas-fn";

    /// <summary>A module as a namespace.</summary>
    public static string Namespace(string module) => module == FunctionName.DefaultModule ? DefaultNamespace : module;

    /// <summary>A namespace as a module; none at all is the default one.</summary>
    public static string Module(string? space) => string.IsNullOrEmpty(space) || space == DefaultNamespace ? FunctionName.DefaultModule : space;

    /// <summary>The name with its namespace, as metrics have it.</summary>
    public static string Full(FunctionName name) => $"{name.Name}.{Namespace(name.Module)}";

    /// <summary>Reads <c>name</c> or <c>name.namespace</c>; a namespace that stands apart counts when the name has none.</summary>
    public static bool TryParse(string? text, string? space, out FunctionName name)
    {
        name = default;
        if (text is null) return false;
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? FunctionName.TryCreate(Module(space), text, out name) : dot < text.Length - 1 && FunctionName.TryCreate(Module(text[(dot + 1)..]), text[..dot], out name);
    }
}
