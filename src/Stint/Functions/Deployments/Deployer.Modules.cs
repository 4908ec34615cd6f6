using Stint.Files;
using Stint.Functions.Registry;
using Stint.Invocations;

namespace Stint.Functions.Deployments;

internal sealed partial class Deployer
{
    /// <summary>
    /// Gives a module's folder another name, in one step: every function of it changes over, the new one serving before the old one goes, or none does. A function that is deployed into the module
    /// meanwhile either comes along or makes the old module anew.
    /// </summary>
    /// <param name="from">The module; nothing happens when it has no folder.</param>
    /// <param name="to">Its new name, valid.</param>
    /// <param name="cancellationToken">Gives up, until the rename.</param>
    /// <exception cref="DeploymentException">There is something of the new name, or the host does not let us.</exception>
    public async Task RenameModuleAsync(string from, string to, CancellationToken cancellationToken)
    {
        var (source, target) = (Path.Combine(registry.Layout.Root, from), Path.Combine(registry.Layout.Root, to));
        List<IDisposable> turns = [];
        List<RegistryHold> before = [], after = [];
        try
        {
            var names = registry.Layout.List().Functions.Keys.Where(name => name.Module == from).Select(static name => name.Name).Order(StringComparer.Ordinal).ToArray();
            // Always in the order of the modules' names: two that rename into each other's place do not wait for each other.
            foreach (var module in new[] { from, to }.Order(StringComparer.Ordinal))
                foreach (var name in names)
                    if (FunctionName.TryCreate(module, name, out var function)) turns.Add(await _gate.EnterAsync(function, cancellationToken));
            foreach (var module in new[] { from, to }.Order(StringComparer.Ordinal))
                foreach (var name in names)
                    if (FunctionName.TryCreate(module, name, out var function)) (module == from ? before : after).Add(await registry.HoldAsync(function, cancellationToken));
            if (Directory.Exists(target))
            {
                if (Directory.EnumerateFileSystemEntries(target).Any()) throw new DeploymentException(DeploymentFault.Conflict, $"{target} exists already; choose another name, or move it away");
                Directory.Delete(target);
            }
            if (!Directory.Exists(source)) return;
            if (RegistryLayout.IsFunction(source)) throw new DeploymentException(DeploymentFault.Conflict, $"{source} is a function itself, not a module");
            Directory.Move(source, target);
            Durability.Flush(registry.Layout.Root);
            foreach (var hold in after) await hold.TakeUpAsync();
            foreach (var hold in before) await hold.TakeUpAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, $"rename the module {from}");
        }
        finally
        {
            foreach (var hold in before.Concat(after)) hold.Dispose();
            foreach (var turn in turns) turn.Dispose();
        }
    }
}
