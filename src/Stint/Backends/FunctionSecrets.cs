using Stint.Functions;
using Stint.Functions.Secrets;

namespace Stint.Backends;

/// <summary>Gives an instance copies of the secrets that its function names. They are of the moment of its start: when a value is changed, the instances are replaced.</summary>
internal sealed class FunctionSecrets(SecretStore store)
{
    /// <summary>Where a function finds them, one file each (contract openfaas.md).</summary>
    public const string Folder = "/var/openfaas/secrets";

    /// <summary>0700: for folders whose content only root's own programs pass on.</summary>
    public const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Listable = OwnersOnly | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Copies a version's secrets into a new folder in <paramref name="place"/>.</summary>
    /// <param name="version">Whose.</param>
    /// <param name="place">The instance's own folder, made if needed and removed with the instance. The walls' user is another one, so the copies are readable: what guards them is this folder.</param>
    /// <param name="mode">The mode of <paramref name="place"/> when it is made.</param>
    /// <returns>The folder with the copies.</returns>
    /// <exception cref="InstanceStartException">One of them does not exist.</exception>
    public string Copy(FunctionVersion version, string place, UnixFileMode mode)
    {
        var folder = Path.Combine(place, "secrets");
        Directory.CreateDirectory(place);
        File.SetUnixFileMode(place, mode);
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, Listable);
        foreach (var (name, value) in Read(version))
        {
            using var file = new FileStream(Path.Combine(folder, name), new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            file.Write(value);
            File.SetUnixFileMode(file.SafeFileHandle, Readable);
        }
        return folder;
    }

    /// <summary>A version's secrets, with their values.</summary>
    /// <exception cref="InstanceStartException">One of them does not exist.</exception>
    public IEnumerable<(string Name, byte[] Value)> Read(FunctionVersion version)
    {
        foreach (var name in version.Spec.Secrets)
        {
            yield return (name, store.Read(version.Name.Module, name)
                ?? throw new InstanceStartException($"{version.Name} wants the secret {name}, which does not exist in its module; make it first, for instance: faas-cli secret create {name}"));
        }
    }

    /// <summary>A word for the state of a version's secrets: another one when one of them has been set since. Says nothing of their values.</summary>
    public string Stamp(FunctionVersion version) => string.Join(' ', version.Spec.Secrets.Select(name => store.Stamp(version.Name.Module, name)));
}
