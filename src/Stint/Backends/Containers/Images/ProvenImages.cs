using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers.Images;

/// <summary>Gives an image its name only after a program of it has run: one that does not work must not take the place of one that does.</summary>
/// <param name="engine">Where it is made.</param>
/// <param name="time">For limits.</param>
internal sealed class ProvenImages(EngineClient engine, TimeProvider time)
{
    private static readonly TimeSpan TrialLimit = TimeSpan.FromSeconds(60);

    /// <summary>Imports an archive, tries it, and names it.</summary>
    /// <param name="archive">A root file system; disposed of.</param>
    /// <param name="lines">Lines of a Dockerfile that say how to run it, its labels among them.</param>
    /// <inheritdoc cref="MakeAsync"/>
    public Task<BaseImage> ImportAsync(ImageTrial trial, Stream archive, string name, IEnumerable<string> lines, Action<string> onStep, CancellationToken cancellationToken) =>
        MakeAsync(trial, name, onStep, async passing =>
        {
            var (repository, tag) = ImageName.Split(passing);
            await using (archive.ConfigureAwait(false)) return await engine.Images.ImportAsync(archive, repository, tag, lines, cancellationToken).ConfigureAwait(false);
        }, cancellationToken);

    /// <summary>Makes an image under a passing name, tries it, and names it.</summary>
    /// <param name="trial">What must run in it.</param>
    /// <param name="name">Its name.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="make">Makes it under the name that it is given; the result is its id.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="EngineException">The engine does not do it.</exception>
    /// <exception cref="IOException">It does not work; the message says what happened.</exception>
    public async Task<BaseImage> MakeAsync(ImageTrial trial, string name, Action<string> onStep, Func<string, Task<string>> make, CancellationToken cancellationToken)
    {
        var passing = $"stint/unproved:{Guid.NewGuid():N}";
        try
        {
            var id = await make(passing).ConfigureAwait(false);
            onStep("trying it");
            var version = await TryAsync(trial, id, cancellationToken).ConfigureAwait(false);
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

    /// <summary>Runs a program of an image, with no rights at all.</summary>
    /// <returns>What it prints: <c>Python 3.11.2</c>.</returns>
    /// <exception cref="IOException">It does not run; the message says what happened.</exception>
    public async Task<string> TryAsync(ImageTrial trial, string image, CancellationToken cancellationToken)
    {
        var command = string.Join(' ', trial.Command);
        var settings = new ContainerSettings
        {
            Image = image, Entrypoint = [""], Cmd = [.. trial.Command], User = "65534:65534", Labels = new Dictionary<string, string> { [ContainerLabels.Role] = ContainerLabels.BuildRole },
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
            return code == 0 ? output : throw new IOException($"the image does not work as {trial.Role}: '{command}' ended with {code} in it: {output}");
        }
        catch (EngineException failure) when (failure.Fault is EngineFault.Rejected or EngineFault.Failed or EngineFault.NoContainer)
        {
            throw new IOException($"the image does not work as {trial.Role}: '{command}' cannot be run in it: {failure.EngineMessage}", failure);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"the image does not work as {trial.Role}: '{command}' did not end within {TrialLimit.TotalSeconds:0} s in it");
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

/// <summary>What shows that an image works.</summary>
/// <param name="Role">What it is to be, for messages: "a base of python3".</param>
/// <param name="Command">What must run in it.</param>
internal sealed record ImageTrial(string Role, IReadOnlyList<string> Command);
