using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>Looks at a code folder before anything is built: does it have what its runtime loads?</summary>
internal static class CodeCheck
{
    /// <summary>The file of the binary runtime: executed once per call.</summary>
    public const string BinaryEntry = "fn.sh";

    /// <summary>The file of the python3 runtime.</summary>
    public const string PythonEntry = "fn.py";

    /// <summary>Names the first thing that is missing.</summary>
    /// <exception cref="DeploymentException">The code cannot be a function of that runtime.</exception>
    public static void Require(Runtime runtime, string folder)
    {
        switch (runtime)
        {
            case Runtime.Python3:
                RequireFile(folder, PythonEntry, "a python3 function needs fn.py with `def fn(input, headers)`");
                break;
            case Runtime.NodeJs:
                RequireNodeMain(folder);
                break;
            case Runtime.Binary:
                RequireFile(folder, BinaryEntry, "a binary function needs fn.sh, which is executed once per call");
                break;
        }
    }

    private static void RequireNodeMain(string folder)
    {
        if (!File.Exists(Path.Combine(folder, PackageJson.FileName)))
        {
            if (PackageJson.DefaultMains.Any(main => File.Exists(Path.Combine(folder, main)))) return;
            throw Bad("package.json is missing: a nodejs function needs a package.json, or an index.js or fn.js alone" + At(folder));
        }
        using var package = PackageJson.Read(folder);
        if (package.Main is { } named)
        {
            // Node's own rule for "main": the file, the file with .js, or a folder's index.js.
            var full = Path.GetFullPath(Path.Combine(folder, named));
            if (!full.StartsWith(Path.GetFullPath(folder) + '/', StringComparison.Ordinal) && full != Path.GetFullPath(folder)) throw Bad($"package.json: \"main\" is \"{named}\", which is outside of the function's folder");
            if (new[] { full, full + ".js", full + ".cjs", full + ".mjs", full + ".json", Path.Combine(full, "index.js") }.Any(File.Exists)) return;
            throw Bad($"package.json: \"main\" is \"{named}\", but there is no such file");
        }
        if (PackageJson.DefaultMains.Any(main => File.Exists(Path.Combine(folder, main)))) return;
        throw Bad("index.js is missing: package.json names no \"main\", so index.js is what runs" + At(folder));
    }

    private static void RequireFile(string folder, string name, string why)
    {
        if (!File.Exists(Path.Combine(folder, name))) throw Bad($"{name} is missing: {why}{At(folder)}");
    }

    /// <summary>The commonest mistake: the code was zipped with its folder, so it lies one level too deep.</summary>
    private static string At(string folder)
    {
        var entries = Directory.EnumerateFileSystemEntries(folder).Take(2).ToArray();
        return entries is [var only] && Directory.Exists(only)
            ? $". All there is is the folder \"{Path.GetFileName(only)}\": deploy what is in it, or name it as the subfolder"
            : "";
    }

    private static DeploymentException Bad(string message) => new(DeploymentFault.BadRequest, message);
}
