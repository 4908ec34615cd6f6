using System.Runtime.CompilerServices;

namespace Stint.Tests.Runtimes;

/// <summary>How a language's runtime is started.</summary>
internal sealed record RuntimeLanguage(string Name, string Interpreter, string[] Arguments, string MainFile)
{
    public static RuntimeLanguage Python3 { get; } = new("python3", "/usr/bin/python3", ["-I", "-S", "-E", Script("python3/runtime.py")], "fn.py");

    public static RuntimeLanguage NodeJs { get; } = new("nodejs", "/usr/bin/node", [Script("nodejs/runtime.js")], "fn.js");

    public static RuntimeLanguage Binary { get; } = new("binary", "/usr/bin/python3", ["-I", "-S", "-E", Script("binary/runtime.py")], "fn.sh");

    /// <summary>The language of that name.</summary>
    public static RuntimeLanguage Of(string name) => name switch { "python3" => Python3, "nodejs" => NodeJs, _ => Binary };

    private static string Script(string name, [CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(here, "../../../../runtimes", name));
}

/// <summary>A test that needs an interpreter: skipped where it is not installed, except in continuous integration, where everything must be there.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RuntimeFactAttribute : FactAttribute
{
    public RuntimeFactAttribute() => Skip = Missing;

    /// <summary>What is missing, or null.</summary>
    public static string? Missing { get; } =
        Environment.GetEnvironmentVariable("CI") == "true" ? null
        : new[] { RuntimeLanguage.Python3, RuntimeLanguage.NodeJs }.FirstOrDefault(language => !File.Exists(language.Interpreter)) is { } absent ? $"{absent.Interpreter} is not installed"
        : null;
}

/// <summary>As <see cref="RuntimeFactAttribute"/>, with data.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RuntimeTheoryAttribute : TheoryAttribute
{
    public RuntimeTheoryAttribute() => Skip = RuntimeFactAttribute.Missing;
}
