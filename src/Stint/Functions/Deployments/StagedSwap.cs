using System.Runtime.InteropServices;
using Stint.Files;
using Stint.Functions.Bundles;
using Stint.Functions.Registry;

namespace Stint.Functions.Deployments;

/// <summary>
/// One deployment's folder in the registry's staging area, and the swap of what it holds with what serves, so that a crash at any point leaves the function
/// either as it was or as it should be.
/// </summary>
/// <remarks>
/// <code>
/// .staging/ID/new/{function.toml,code/}   made ready and flushed here
/// .staging/ID/old/                        what was there before, where folders cannot be exchanged
/// .staging/ID/swap                        then: the path, relative to the registry, that old belongs to while nothing is there
/// </code>
/// Usual way: <c>renameat2(new, target, RENAME_EXCHANGE)</c>, one step. Where the file system has no exchange: write <c>swap</c>, move the target to <c>old</c>, move
/// <c>new</c> to the target; <see cref="Recover"/> undoes the first move if the second did not happen.
/// </remarks>
internal sealed partial class StagedSwap : IDisposable
{
    private readonly RegistryLayout _layout;
    private readonly bool _canExchange;
    private readonly string _folder;

    /// <param name="layout">The registry.</param>
    /// <param name="canExchange">False forces the way for file systems without exchange.</param>
    public StagedSwap(RegistryLayout layout, bool canExchange)
    {
        (_layout, _canExchange) = (layout, canExchange);
        _folder = Path.Combine(layout.Staging, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(_folder);
    }

    /// <summary>The function's folder in the making.</summary>
    public string New => Path.Combine(_folder, "new");

    /// <summary>For what is needed meanwhile.</summary>
    public string Scratch => _folder;

    private string Old => Path.Combine(_folder, "old");

    private string Swap => Path.Combine(_folder, "swap");

    /// <summary>Puts <see cref="New"/>, which is flushed, in the place of a function that exists. Durable on return.</summary>
    /// <param name="target">The function's folder.</param>
    /// <param name="movedAway">Called when, without exchange, nothing is at the target.</param>
    public void Replace(string target, Action movedAway)
    {
        if (!_canExchange || !TryExchange(New, target))
        {
            File.WriteAllText(Swap, Path.GetRelativePath(_layout.Root, target));
            DurableTree.Flush(_folder);
            Directory.Move(target, Old);
            movedAway();
            Directory.Move(New, target);
            Durability.Flush(Path.GetDirectoryName(target)!);
            File.Delete(Swap); // there is nothing left to undo, not even when the function is removed by hand before the next start
        }
        else Durability.Flush(Path.GetDirectoryName(target)!);
    }

    /// <summary>Puts <see cref="New"/>, which is flushed, where nothing is. Durable on return.</summary>
    /// <exception cref="DeploymentException">Something that is no function is there.</exception>
    public void Place(string target)
    {
        var module = Path.GetDirectoryName(target)!;
        if (!Directory.Exists(module) && TryPlaceWithModule(target, module)) return;
        if (Directory.Exists(target))
        {
            if (Directory.EnumerateFileSystemEntries(target).Any())
                throw new DeploymentException(DeploymentFault.Conflict, $"{target} exists but has no {RegistryLayout.TomlName}: move it away, then deploy again");
            Directory.Delete(target);
        }
        Directory.Move(New, target);
        Durability.Flush(module);
        Durability.Flush(_layout.Root);
    }

    /// <summary>A new module's folder arrives with its first function in it, so that a crash leaves no empty one.</summary>
    private bool TryPlaceWithModule(string target, string module)
    {
        var staged = Path.Combine(_folder, "module");
        CodeTree.MakeFolder(staged);
        var inside = Path.Combine(staged, Path.GetFileName(target));
        Directory.Move(New, inside);
        Durability.Flush(staged);
        try
        {
            Directory.Move(staged, module);
        }
        catch (IOException) when (Directory.Exists(module))
        {
            Directory.Move(inside, New); // another deployment was first to make the module
            return false;
        }
        Durability.Flush(_layout.Root);
        return true;
    }

    /// <summary>Takes a function out of the registry. Durable on return.</summary>
    public void Remove(string target)
    {
        var parent = Path.GetDirectoryName(target)!;
        Directory.Move(target, Old);
        Durability.Flush(parent);
        if (parent == _layout.Root || Directory.EnumerateFileSystemEntries(parent).Any()) return;
        try
        {
            Directory.Delete(parent);
        }
        catch (IOException)
        {
            // Another function of the module has come meanwhile.
        }
    }

    /// <summary>Undoes swaps that a crash interrupted and clears the staging area. Before anything else looks at the registry.</summary>
    public static void Recover(RegistryLayout layout)
    {
        if (!Directory.Exists(layout.Staging)) return;
        foreach (var folder in Directory.EnumerateDirectories(layout.Staging))
        {
            var swap = Path.Combine(folder, "swap");
            var old = Path.Combine(folder, "old");
            if (!File.Exists(swap) || !Directory.Exists(old)) continue;
            var target = Path.Combine(layout.Root, File.ReadAllText(swap));
            if (Directory.Exists(target)) continue;
            Directory.Move(old, target);
            Durability.Flush(Path.GetDirectoryName(target)!);
        }
        CodeTree.Delete(layout.Staging);
    }

    /// <summary>Removes this deployment's folder and what is left in it. A swap that failed half-way is undone first.</summary>
    public void Dispose()
    {
        if (File.Exists(Swap) && Directory.Exists(Old))
        {
            var target = Path.Combine(_layout.Root, File.ReadAllText(Swap));
            if (!Directory.Exists(target)) Directory.Move(Old, target);
        }
        try
        {
            CodeTree.Delete(_folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The deployment itself is done; the next start clears the staging area.
        }
    }

    /// <summary>Exchanges two folders in one step; false where the file system (EINVAL) or the kernel (ENOSYS) cannot.</summary>
    private static bool TryExchange(string one, string other)
    {
        const int currentFolder = -100, invalid = 22, noSuchCall = 38, notSupported = 95;
        const uint exchange = 2; // RENAME_EXCHANGE of linux/fs.h
        if (RenameAt2(currentFolder, one, currentFolder, other, exchange) == 0) return true;
        var errno = Marshal.GetLastPInvokeError();
        if (errno is invalid or noSuchCall or notSupported) return false;
        throw new IOException($"cannot exchange {one} and {other}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);
    }

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);
}
