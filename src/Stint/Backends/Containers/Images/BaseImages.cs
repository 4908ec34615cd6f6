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
    private readonly ProvenImages _proven = new(engine, time);

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
        return await _proven.MakeAsync(TrialOf(runtime), name, onStep, async passing =>
        {
            // Its own labels stay, ours come on top; an image is known by them.
            var context = Dockerfile.Alone($"FROM {image}", cancellationToken);
            return await engine.Images.BuildAsync(context, new BuildSettings { Tags = [passing], Labels = labels }, static _ => { }, cancellationToken).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs an image's interpreter.</summary>
    /// <returns>What it says of itself: <c>Python 3.11.2</c>.</returns>
    /// <exception cref="IOException">It has none that works; the message says what happened.</exception>
    public Task<string> TryAsync(Runtime runtime, string image, CancellationToken cancellationToken) => _proven.TryAsync(TrialOf(runtime), image, cancellationToken);

    // A binary function's own interpreter is the shell; python3 runs beside it.
    private static ImageTrial TrialOf(Runtime runtime) => new($"a base of {ImageName.WordOf(runtime)}", runtime switch
    {
        Runtime.NodeJs => ["node", "--version"],
        Runtime.Binary => ["sh", "-c", "exec python3 --version"],
        _ => ["python3", "--version"],
    });

    private Task<BaseImage> ImportAsync(Runtime runtime, Stream archive, string name, IReadOnlyDictionary<string, string> labels, Action<string> onStep, CancellationToken cancellationToken) =>
        _proven.ImportAsync(TrialOf(runtime), archive, name, labels.Select(static label => $"LABEL {label.Key}={label.Value}"), onStep, cancellationToken);
}

/// <summary>An image that was made and has been tried.</summary>
/// <param name="Name">Name and tag.</param>
/// <param name="Id">Id.</param>
/// <param name="Version">What its program says of itself: <c>Python 3.11.2</c>.</param>
/// <param name="Size">Bytes.</param>
internal sealed record BaseImage(string Name, string Id, string Version, long Size);
