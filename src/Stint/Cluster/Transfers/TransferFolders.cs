using System.Text;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Transfers;

/// <summary>A daemon's folders, as far as they say what is deployed.</summary>
/// <param name="registry">Its registry.</param>
/// <param name="state">Its state.</param>
internal sealed class TransferFolders(string registry, string state)
{
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    private readonly string _namespaces = Path.Combine(state, "namespaces");

    /// <summary>Functions.</summary>
    public RegistryLayout Registry { get; } = new(registry);

    /// <summary>Secrets.</summary>
    public SecretStore Secrets { get; } = new(Path.Combine(state, "secrets"));

    /// <summary>Modules that somebody made, with the text of their files.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public Dictionary<string, string> Modules() => Directory.Exists(_namespaces)
        ? Directory.EnumerateFiles(_namespaces, "*.json").Where(static path => FunctionName.IsValidPart(Path.GetFileNameWithoutExtension(path)))
            .ToDictionary(static path => Path.GetFileNameWithoutExtension(path)!, static path => File.ReadAllText(path, Utf8), StringComparer.Ordinal)
        : [];

    /// <summary>Writes a module's file, whole or not at all.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteModule(string name, string text)
    {
        Directory.CreateDirectory(_namespaces);
        var path = Path.Combine(_namespaces, name + ".json");
        File.WriteAllText(path + ".new", text, Utf8);
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>Removes a module's file, if there is one.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public void RemoveModule(string name) => File.Delete(Path.Combine(_namespaces, name + ".json"));
}
