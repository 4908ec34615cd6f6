using Stint.Cluster.Store;
using Stint.Files;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Transfers;

/// <summary>A daemon's folders, as far as they say what is deployed.</summary>
/// <param name="registry">Its registry.</param>
/// <param name="state">Its state.</param>
internal sealed class TransferFolders(string registry, string state)
{
    private const string Ending = ".json";

    /// <summary>The kinds of texts.</summary>
    public static IReadOnlyList<string> Kinds { get; } = [TextTable.Modules, TextTable.Scripts, TextTable.Subjects];

    /// <summary>Functions.</summary>
    public RegistryLayout Registry { get; } = new(registry);

    /// <summary>Secrets.</summary>
    public SecretStore Secrets { get; } = new(Path.Combine(state, "secrets"));

    /// <summary>All texts of a kind, by their names in the store.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public IReadOnlyDictionary<string, byte[]> Texts(string kind)
    {
        var folder = FolderOf(kind);
        if (!Directory.Exists(folder)) return new Dictionary<string, byte[]>();
        if (kind == TextTable.Subjects)
        {
            // The one is nothing without the other.
            var files = new[] { "key", "subjects.json" };
            return files.All(name => File.Exists(Path.Combine(folder, name))) ? files.ToDictionary(static name => name, name => File.ReadAllBytes(Path.Combine(folder, name))) : [];
        }
        return Directory.EnumerateFiles(folder, "*" + Ending).Where(path => IsName(kind, Path.GetFileNameWithoutExtension(path)))
            .ToDictionary(static path => Path.GetFileNameWithoutExtension(path)!, File.ReadAllBytes, StringComparer.Ordinal);
    }

    /// <summary>Writes a text's file, whole or not at all.</summary>
    /// <exception cref="IOException">It cannot be written, or its name is none.</exception>
    public void Write(string kind, string name, byte[] content)
    {
        var isSubjects = kind == TextTable.Subjects;
        if (!IsName(kind, name)) throw new IOException($"the store holds a text of the kind {kind} whose name is none; whoever changed the tables by hand must remove it");
        var folder = FolderOf(kind);
        if (isSubjects) PrivateFile.MakeFolder(folder);
        else Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, isSubjects ? name : name + Ending);
        if (kind != TextTable.Modules)
        {
            PrivateFile.Write(path, content);
            return;
        }
        File.WriteAllBytes(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    }

    // A script's name may be longer than a module's (contract funless.md).
    private static bool IsName(string kind, string name) => kind switch
    {
        TextTable.Modules => FunctionName.IsValidPart(name),
        TextTable.Scripts => name.Length is > 0 and <= 160 && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'),
        _ => name is "key" or "subjects.json",
    };

    private string FolderOf(string kind) => Path.Combine(state, kind switch { TextTable.Modules => "namespaces", TextTable.Scripts => "scripts", _ => "funless" });
}
