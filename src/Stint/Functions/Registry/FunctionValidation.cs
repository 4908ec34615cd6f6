namespace Stint.Functions.Registry;

/// <summary>A function whose files are wrong, with all that is wrong, one ready-made line each.</summary>
internal sealed class BrokenFunctionException(params IReadOnlyList<string> problems) : Exception(string.Join('\n', problems))
{
    /// <summary>The lines.</summary>
    public IReadOnlyList<string> Problems { get; } = problems;
}

/// <summary>Reads a specification the same way for the registry's folder and for deployments.</summary>
internal static class FunctionValidation
{
    /// <summary>The specification; a backend is set.</summary>
    /// <exception cref="BrokenFunctionException">It is wrong.</exception>
    public static FunctionSpec Read(FunctionTomlReader reader, string text, string path)
    {
        var (spec, problems) = reader(text, path);
        if (spec is null || problems.Count > 0) throw new BrokenFunctionException(problems);
        return spec.Process is not null || spec.Container is not null || spec.Vm is not null || spec.Wasm is not null ? spec : throw new BrokenFunctionException($"{path}: there is no [process], [container], [vm] or [wasm] table");
    }
}
