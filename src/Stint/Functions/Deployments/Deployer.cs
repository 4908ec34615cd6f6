using Stint.Functions.Bundles;
using Stint.Functions.Registry;
using Stint.Invocations;

namespace Stint.Functions.Deployments;

/// <summary>
/// Puts functions into the registry's folder and takes them out. Everything that can fail happens beside it, in <c>.staging</c>; then one rename makes it so, and the
/// registry takes it up at once. A failure or a crash at any point leaves the version before serving and no debris.
/// One deployment at a time for each function, any number for different ones.
/// </summary>
internal sealed partial class Deployer(FunctionRegistry registry, BundleStore bundles, FunctionTomlReader readToml, DeployerOptions options, TimeProvider time, ILogger<Deployer> logger)
{
    private readonly ILogger _logger = logger;
    private readonly KeyedGate<FunctionName> _gate = new();

    /// <summary>Deploys a function, new or in the place of an older version, and returns the version that now serves.</summary>
    /// <param name="name">The function.</param>
    /// <param name="functionToml">Its <c>function.toml</c>.</param>
    /// <param name="code">Its code; null for a function that has none.</param>
    /// <param name="progress">Gets a line for each step and each line of the build's output, which goes to the function's log as well. Must not throw.</param>
    /// <param name="cancellationToken">Gives up, until the swap.</param>
    /// <exception cref="DeploymentException">Nothing was changed; the message says why.</exception>
    public async Task<FunctionVersion> DeployAsync(FunctionName name, string functionToml, CodeSource? code, Action<DeploymentProgress> progress, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(name, cancellationToken);
        try
        {
            return await DeployInTurnAsync(name, functionToml, code, progress, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, $"deploy {name}");
        }
    }

    private async Task<FunctionVersion> DeployInTurnAsync(FunctionName name, string functionToml, CodeSource? code, Action<DeploymentProgress> progress, CancellationToken cancellationToken)
    {
        var spec = Read(functionToml);
        if (spec.HasFiles != code is not null)
        {
            throw new DeploymentException(DeploymentFault.BadRequest, spec switch
            {
                { Wasm: not null } => "the function's module is missing; send the .wasm file along with function.toml",
                { HasCode: true } => "the function's code is missing; send it along with function.toml",
                { Vm: not null } => "the virtual machine's files are missing; send kernel and image along with function.toml",
                _ => "a [container] function has its code in its image; send function.toml alone",
            });
        }
        RequirePlace(name);
        using var swap = new StagedSwap(registry.Layout, options.CanExchange);
        // Code has a folder of its own beside function.toml; a virtual machine's files lie beside it themselves.
        var codeFolder = spec.HasCode ? Path.Combine(swap.New, RegistryLayout.CodeName) : swap.New;
        if (code is null || spec.HasCode) CodeTree.MakeFolder(swap.New);
        if (code is not null)
        {
            progress(new(ProgressKind.Step, spec.HasCode ? "unpacking the code" : "unpacking the virtual machine's files"));
            await code.PlaceAsync(codeFolder, swap.Scratch, spec.HasCode ? options.Archive : options.Images, cancellationToken);
        }
        var toml = Path.Combine(swap.New, RegistryLayout.TomlName);
        File.Delete(toml); // one among a virtual machine's files does not count, and if it is a link must not be written through
        await File.WriteAllTextAsync(toml, functionToml, cancellationToken);
        options.Reached(DeploymentStep.Staged);

        using var lease = spec.HasFiles ? await BuildAsync(spec, codeFolder, Report, progress, cancellationToken) : null;
        options.Reached(DeploymentStep.Built);
        progress(new(ProgressKind.Step, "trying it out"));
        await options.TryOut(new FunctionVersion { Name = name, Spec = spec, Id = BundleHash.OfTexts(lease?.Hash ?? "", functionToml), Folder = lease?.Folder, DeployedAt = time.GetUtcNow() }, cancellationToken);
        await Task.Run(() => DurableTree.Flush(swap.New), cancellationToken);
        options.Reached(DeploymentStep.Flushed);
        var identity = options.Store is { } uploads ? await uploads.UploadAsync(swap.New, cancellationToken) : null;

        using var hold = await registry.HoldAsync(name, cancellationToken);
        RequirePlace(name);
        if (identity is not null && options.Store is { } store)
            await store.RecordAsync(name, identity, swap.New, cancellationToken); // from here on it is deployed, for all machines
        if (registry.Layout.Locate(name) is { } present) swap.Replace(present, () => options.Reached(DeploymentStep.MovedAway));
        else swap.Place(registry.Layout.PlaceFor(name));
        options.Reached(DeploymentStep.Swapped);

        // From here on it is deployed: the caller's leaving changes nothing any more.
        var registered = await hold.TakeUpAsync();
        options.Reached(DeploymentStep.Serving);
        if (registered is not { State: RegistrationState.Ready, Serving: { } version })
            throw new DeploymentException(DeploymentFault.Conflict, $"{name} was changed in the registry while it was deployed: {string.Join("; ", registered?.Problems ?? ["it is gone"])}");
        progress(new(ProgressKind.Step, $"{name} is serving"));
        return version;

        void Report(string line)
        {
            registry.ReportBuildLine(name, line);
            progress(new(ProgressKind.Output, line));
        }
    }

    private Task<BundleLease> BuildAsync(FunctionSpec spec, string codeFolder, Action<string> report, Action<DeploymentProgress> progress, CancellationToken cancellationToken)
    {
        if (spec.Vm is { } vm)
        {
            VmFiles.RequireInside(vm, codeFolder);
            progress(new(ProgressKind.Step, "copying kernel and image"));
            return bundles.GetOrPinAsync(vm, codeFolder, cancellationToken);
        }
        if (spec.Wasm is { } wasm)
        {
            progress(new(ProgressKind.Step, "checking the module"));
            return bundles.GetOrTakeAsync(wasm, codeFolder, cancellationToken);
        }
        progress(new(ProgressKind.Step, "building"));
        return bundles.GetOrBuildAsync(spec.Process!, codeFolder, report, cancellationToken);
    }

    /// <summary>Removes a function, however broken; false when there is none of that name.</summary>
    /// <exception cref="DeploymentException">The host does not let us.</exception>
    public async Task<bool> RemoveAsync(FunctionName name, CancellationToken cancellationToken)
    {
        using var turn = await _gate.EnterAsync(name, cancellationToken);
        try
        {
            using var hold = await registry.HoldAsync(name, cancellationToken);
            registry.Layout.RequireUnique(name);
            var isStored = options.Store is { } store && await store.RemoveAsync(name, cancellationToken);
            if (registry.Layout.Locate(name) is not { } folder) return isStored;
            using var swap = new StagedSwap(registry.Layout, options.CanExchange);
            swap.Remove(folder);
            await hold.TakeUpAsync();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, $"remove {name}");
        }
    }

    /// <summary>Removes all functions. Folders that are none are left alone.</summary>
    /// <exception cref="DeploymentException">The host does not let us; those before it are gone.</exception>
    public async Task WipeAsync(CancellationToken cancellationToken)
    {
        var names = registry.Layout.List().Functions.Keys.ToArray();
        foreach (var name in names) await RemoveAsync(name, cancellationToken);
        LogWiped(names.Length);
    }

    private FunctionSpec Read(string functionToml)
    {
        try
        {
            return FunctionValidation.Read(readToml, functionToml, RegistryLayout.TomlName);
        }
        catch (BrokenFunctionException e)
        {
            throw new DeploymentException(DeploymentFault.BadRequest, e.Message, e);
        }
    }

    /// <summary>Says so before the build that there is no place for the function, and once more when it comes to it.</summary>
    private void RequirePlace(FunctionName name)
    {
        registry.Layout.RequireUnique(name);
        if (registry.Layout.Locate(name) is null) _ = registry.Layout.PlaceFor(name);
    }

    [LoggerMessage(2400, LogLevel.Information, "Removed all functions: {Count}")]
    private partial void LogWiped(int count);
}
