// A base image holds an interpreter and what it needs; our own runtime comes on top of it (RuntimeImages.cs). Three ways to one, none of which needs a registry:
//
//   host          this host's own interpreter, libraries, package tool (HostRootfs.cs): seconds
//   debootstrap   a small Debian of the same release: a minute or two, needs a mirror
//   an image      any that has the interpreter
//
// Whichever way: its interpreter is run once before the image gets its name.
using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Containers.Images;

/// <summary>Makes base images.</summary>
/// <param name="engine">Where they are made.</param>
/// <param name="time">For limits.</param>
internal sealed class BaseImages(EngineClient engine, TimeProvider time)
{
    private static readonly TimeSpan TrialLimit = TimeSpan.FromSeconds(60);

    /// <summary>Makes one out of this host's own files.</summary>
    /// <param name="runtime">Which runtime.</param>
    /// <param name="interpreter">Absolute path of its interpreter; null = the host's usual one.</param>
    /// <param name="name">Its name.</param>
    /// <param name="labels">Its labels.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="EngineException">The engine does not do it.</exception>
    /// <exception cref="IOException">This host lacks something, or the image does not work; the message says what.</exception>
    public async Task<BaseImage> FromHostAsync(Runtime runtime, string? interpreter, string name, IReadOnlyDictionary<string, string> labels, Action<string> onStep, CancellationToken cancellationToken)
    {
        var (program, package) = runtime == Runtime.NodeJs ? ("node", "nodejs") : ("python3", "python3");
        interpreter ??= HostPrograms.Find(program);
        if (interpreter is null || !File.Exists(interpreter))
            throw new IOException($"this host has no {program} to make the image of. Install it (apt-get install {package}), or take another way: stint image build {ImageName.WordOf(runtime)} --from debootstrap");
        var scratch = Directory.CreateTempSubdirectory("stint-image-").FullName;
        try
        {
            onStep($"gathering {ImageName.WordOf(runtime)} of this host");
            var rootfs = await HostRootfs.GatherAsync(runtime, interpreter, scratch, cancellationToken).ConfigureAwait(false);
            var total = rootfs.Size >> 20;
            var archive = TarStream.Open(rootfs, done => onStep($"packing {rootfs.Entries.Count} files: {done >> 20} of {total} MiB"), cancellationToken);
            return await ImportAsync(runtime, archive, name, labels, onStep, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    /// <summary>Makes one of a small Debian.</summary>
    /// <param name="debootstrap">Which.</param>
    /// <inheritdoc cref="FromHostAsync"/>
    public async Task<BaseImage> FromDebootstrapAsync(Runtime runtime, Debootstrap debootstrap, string name, IReadOnlyDictionary<string, string> labels, Action<string> onStep, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("stint-image-").FullName;
        try
        {
            await debootstrap.RunAsync(runtime, folder, onStep, cancellationToken).ConfigureAwait(false);
            onStep("packing");
            using var tar = HostCommand.Start("tar", ["-C", folder, "--numeric-owner", "--one-file-system", "-cf", "-", "."]);
            try
            {
                return await ImportAsync(runtime, tar.StandardOutput.BaseStream, name, labels, onStep, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                if (!tar.HasExited) tar.Kill();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Takes an image that the engine has.</summary>
    /// <param name="image">Which.</param>
    /// <inheritdoc cref="FromHostAsync"/>
    public async Task<BaseImage> FromImageAsync(Runtime runtime, string image, string name, IReadOnlyDictionary<string, string> labels, Action<string> onStep, CancellationToken cancellationToken)
    {
        onStep($"looking at {image}");
        await engine.Images.InspectAsync(image, cancellationToken).ConfigureAwait(false);
        return await TryAndNameAsync(runtime, name, onStep, async passing =>
        {
            // Its own labels stay, ours come on top; an image is known by them.
            var context = Dockerfile.Alone($"FROM {image}", cancellationToken);
            return await engine.Images.BuildAsync(context, new BuildSettings { Tags = [passing], Labels = labels }, static _ => { }, cancellationToken).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    private Task<BaseImage> ImportAsync(Runtime runtime, Stream archive, string name, IReadOnlyDictionary<string, string> labels, Action<string> onStep, CancellationToken cancellationToken) =>
        TryAndNameAsync(runtime, name, onStep, async passing =>
        {
            var (repository, tag) = ImageName.Split(passing);
            await using (archive.ConfigureAwait(false))
                return await engine.Images.ImportAsync(archive, repository, tag, labels.Select(static label => $"LABEL {label.Key}={label.Value}"), cancellationToken).ConfigureAwait(false);
        }, cancellationToken);

    // Under a passing name until it has been tried: a base image that does not work must not take the place of one that does.
    private async Task<BaseImage> TryAndNameAsync(Runtime runtime, string name, Action<string> onStep, Func<string, Task<string>> make, CancellationToken cancellationToken)
    {
        var passing = $"stint/unproved:{Guid.NewGuid():N}";
        try
        {
            var id = await make(passing).ConfigureAwait(false);
            onStep("trying it");
            var version = await TryAsync(runtime, id, cancellationToken).ConfigureAwait(false);
            var before = await FindOwnAsync(name, cancellationToken).ConfigureAwait(false);
            var (repository, tag) = ImageName.Split(name);
            await engine.Images.TagAsync(id, repository, tag, cancellationToken).ConfigureAwait(false);
            if (before is not null && before != id) await RemoveUnusedAsync(before, cancellationToken).ConfigureAwait(false);
            return new BaseImage(name, id, version, (await engine.Images.InspectAsync(id, cancellationToken).ConfigureAwait(false)).Size);
        }
        finally
        {
            // Also when the user has had enough: the name, and with it the image if it got no other.
            await engine.Images.RemoveAsync(passing, force: false, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>The id of the image of that name, if Stint made it.</summary>
    private async Task<string?> FindOwnAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var image = await engine.Images.InspectAsync(name, cancellationToken).ConfigureAwait(false);
            return image.RepoTags.Count == 1 && image.Config?.Labels.ContainsKey(ImageLabels.Kind) == true ? image.Id : null;
        }
        catch (EngineException none) when (none.Fault is EngineFault.NoImage)
        {
            return null;
        }
    }

    /// <summary>What had the name before; it stays while others are built on it or containers run from it.</summary>
    private async Task RemoveUnusedAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            await engine.Images.RemoveAsync(id, force: false, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException used) when (used.Fault is EngineFault.Conflict)
        {
            // 'stint image rm' when they are gone
        }
    }

    /// <summary>Runs an image's interpreter.</summary>
    /// <returns>What it says of itself: <c>Python 3.11.2</c>.</returns>
    /// <exception cref="IOException">It has none that works; the message says what happened.</exception>
    public async Task<string> TryAsync(Runtime runtime, string image, CancellationToken cancellationToken)
    {
        // A binary function's own interpreter is the shell; python3 runs beside it.
        string[] command = runtime switch
        {
            Runtime.NodeJs => ["node", "--version"],
            Runtime.Binary => ["sh", "-c", "exec python3 --version"],
            _ => ["python3", "--version"],
        };
        var settings = new ContainerSettings
        {
            Image = image, Entrypoint = [""], Cmd = command, User = "65534:65534", Labels = new Dictionary<string, string> { [ContainerLabels.Role] = ContainerLabels.BuildRole },
            HostConfig = new HostConfig { NetworkMode = "none", CapDrop = ["ALL"], SecurityOpt = ["no-new-privileges"], ReadonlyRootfs = true },
        };
        var container = await engine.Containers.CreateAsync(null, settings, cancellationToken).ConfigureAwait(false);
        try
        {
            using var limit = new CancellationTokenSource(TrialLimit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            await engine.Containers.StartAsync(container.Id, either.Token).ConfigureAwait(false);
            var code = await engine.Containers.WaitAsync(container.Id, either.Token).ConfigureAwait(false);
            var output = await ReadAllAsync(container.Id, either.Token).ConfigureAwait(false);
            return code == 0 ? output : throw new IOException($"the image does not work as a base of {ImageName.WordOf(runtime)}: '{string.Join(' ', command)}' ended with {code} in it: {output}");
        }
        catch (EngineException failure) when (failure.Fault is EngineFault.Rejected or EngineFault.Failed or EngineFault.NoContainer)
        {
            throw new IOException($"the image does not work as a base of {ImageName.WordOf(runtime)}: '{string.Join(' ', command)}' cannot be run in it: {failure.EngineMessage}", failure);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"the image does not work as a base of {ImageName.WordOf(runtime)}: '{string.Join(' ', command)}' did not end within {TrialLimit.TotalSeconds:0} s in it");
        }
        finally
        {
            await engine.Containers.RemoveAsync(container.Id, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<string> ReadAllAsync(string container, CancellationToken cancellationToken)
    {
        const int enough = 4096;
        var text = new System.Text.StringBuilder();
        await using var output = await engine.Containers.OpenLogsAsync(container, default, cancellationToken).ConfigureAwait(false);
        while (text.Length < enough && await output.ReadAsync(cancellationToken).ConfigureAwait(false) is { } piece) text.Append(System.Text.Encoding.UTF8.GetString(piece.Bytes.Span));
        return text.ToString().Trim();
    }
}

/// <summary>A base image that was made.</summary>
/// <param name="Name">Name and tag.</param>
/// <param name="Id">Id.</param>
/// <param name="Version">What its interpreter says of itself: <c>Python 3.11.2</c>.</param>
/// <param name="Size">Bytes.</param>
internal sealed record BaseImage(string Name, string Id, string Version, long Size);
