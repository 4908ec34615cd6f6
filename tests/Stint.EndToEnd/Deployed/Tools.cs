using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deployed;

/// <summary>What <c>install-tools.sh</c> of this folder has installed.</summary>
internal static class Tools
{
    private static readonly string Folder = Path.Combine(Programs.Repository, "artifacts/deployed-tools");

    /// <summary>Runs a script of <c>npm/</c>.</summary>
    public static Task<Finished> NodeAsync(string script, params string[] arguments)
    {
        var path = Path.Combine(Folder, script);
        return File.Exists(path) ? Programs.RunAsync(["node", path, .. arguments], Folder) : throw new InvalidOperationException($"there is no {path}: bash tests/Stint.EndToEnd/Deployed/install-tools.sh");
    }
}
