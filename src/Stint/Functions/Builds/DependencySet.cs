using System.Text;

namespace Stint.Functions.Builds;

/// <summary>What a function's code asks its package tool to install, and exactly the files that decide about the result.</summary>
internal sealed record DependencySet
{
    /// <summary>The language, hence the package tool.</summary>
    public required Runtime Runtime { get; init; }

    /// <summary>The files given to the tool: name and content, in a fixed order. Equal ones give equal results, unless <see cref="NeedsCode"/>.</summary>
    public required IReadOnlyList<KeyValuePair<string, byte[]>> Files { get; init; }

    /// <summary>The tool needs the whole code folder: a dependency lies in it, or install scripts may read it.</summary>
    public bool NeedsCode { get; init; }

    /// <summary>npm may run the packages' install scripts.</summary>
    public bool AllowScripts { get; init; }

    /// <summary>Reads what the folder asks for; null when there is nothing to install, so that no tool is started.</summary>
    /// <exception cref="Deployments.DeploymentException">A dependency file cannot be read.</exception>
    public static DependencySet? Read(ProcessSpec process, string folder) => process.Runtime switch
    {
        Runtime.Python3 => ReadPython(folder),
        Runtime.NodeJs => ReadNode(folder, process.AllowInstallScripts),
        Runtime.Binary => null,
    };

    private static DependencySet? ReadPython(string folder)
    {
        const string name = "requirements.txt";
        if (!File.Exists(Path.Combine(folder, name))) return null;
        var bytes = File.ReadAllBytes(Path.Combine(folder, name));
        // pip: a # begins a comment at a line's start or after white space.
        var lines = Encoding.UTF8.GetString(bytes).TrimStart('\uFEFF').Split('\n').Select(WithoutComment).Where(line => line.Length > 0).ToArray();
        if (lines.Length == 0) return null;
        return new DependencySet { Runtime = Runtime.Python3, Files = [KeyValuePair.Create(name, bytes)], NeedsCode = lines.Any(NamesLocalFile) };
    }

    private static string WithoutComment(string line)
    {
        var text = line.Trim();
        for (var at = text.IndexOf('#', StringComparison.Ordinal); at >= 0; at = text.IndexOf('#', at + 1))
            if (at == 0 || char.IsWhiteSpace(text[at - 1])) return text[..at].TrimEnd();
        return text;
    }

    /// <summary>Whether the line refers to a file beside requirements.txt: another list, a package folder, a wheel. A false yes costs sharing only.</summary>
    private static bool NamesLocalFile(string line)
    {
        string[] options = ["-r", "-c", "-e", "-f", "--requirement", "--constraint", "--editable", "--find-links"];
        if (options.Any(option => line.StartsWith(option, StringComparison.Ordinal))) return true;
        if (line.Contains("://", StringComparison.Ordinal) && !line.Contains("file:", StringComparison.Ordinal)) return false;
        var first = line.Split(' ', ';', '[')[0];
        return first.Contains('/', StringComparison.Ordinal) || first.StartsWith('.') || line.Contains("file:", StringComparison.Ordinal)
            || first.EndsWith(".whl", StringComparison.Ordinal) || first.EndsWith(".tar.gz", StringComparison.Ordinal) || first.EndsWith(".zip", StringComparison.Ordinal);
    }

    private static DependencySet? ReadNode(string folder, bool allowScripts)
    {
        if (!File.Exists(Path.Combine(folder, PackageJson.FileName))) return null;
        using var package = PackageJson.Read(folder);
        var dependencies = package.Dependencies;
        if (dependencies.Count == 0) return null;
        // Code that brings its packages along needs no network: the edge often has none.
        if (dependencies.All(d => Directory.Exists(Path.Combine(folder, "node_modules", d.Key)))) return null;

        var files = new List<KeyValuePair<string, byte[]>> { KeyValuePair.Create(PackageJson.FileName, package.Reduce()) };
        foreach (var name in (string[])["npm-shrinkwrap.json", "package-lock.json", ".npmrc"])
            if (File.Exists(Path.Combine(folder, name))) files.Add(KeyValuePair.Create(name, File.ReadAllBytes(Path.Combine(folder, name))));
        var local = dependencies.Any(d => d.Value.StartsWith("file:", StringComparison.Ordinal) || d.Value.StartsWith("link:", StringComparison.Ordinal) || d.Value is ['.' or '/' or '~', ..]);
        return new DependencySet { Runtime = Runtime.NodeJs, Files = files, AllowScripts = allowScripts, NeedsCode = allowScripts || local || package.HasWorkspaces };
    }
}
