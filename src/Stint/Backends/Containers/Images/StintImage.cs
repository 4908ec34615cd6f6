using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Containers.Images;

/// <summary>Makes the image of Stint itself, out of this host's own files: the program, Python and Node.js for functions, and what makes sandboxes and their networks.</summary>
/// <param name="engine">Where it is made.</param>
/// <param name="time">For limits.</param>
internal sealed class StintImage(EngineClient engine, TimeProvider time)
{
    // The sandbox, the packet filter and networks for daemons that are not root; what the host lacks, functions in the container lack too, and 'stint doctor' says so.
    private static readonly string[] Programs = ["bwrap", "setpriv", "nsenter", "unshare", "mount", "umount", "nft", "ip", "slirp4netns", "pasta"];

    // In a container the loopback reaches nobody. The management endpoint wants its token from others.
    private static readonly string[] Lines =
    [
        "ENTRYPOINT [\"/usr/local/bin/stint\"]", "CMD [\"up\"]", "WORKDIR /var/lib/stint", "VOLUME /var/lib/stint",
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "ENV HOME=/var/lib/stint", "ENV DOTNET_EnableDiagnostics=0",
        "ENV STINT_REGISTRY=/var/lib/stint/functions", "ENV STINT_STATE=/var/lib/stint/state", "ENV STINT_RUN=/tmp/stint-run", "ENV STINT_LISTEN=0.0.0.0", "ENV STINT_MANAGEMENT_LISTEN=0.0.0.0",
        "EXPOSE 8000/tcp", "EXPOSE 8080/tcp", "EXPOSE 5683/udp",
    ];

    /// <summary>Makes it.</summary>
    /// <param name="python">Absolute path of Python; null = the host's usual one.</param>
    /// <param name="node">Absolute path of Node.js; null = the host's usual one, if it has one.</param>
    /// <param name="name">The image's name.</param>
    /// <param name="onStep">Told what is being done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="EngineException">The engine does not do it.</exception>
    /// <exception cref="IOException">This host lacks something, or the image does not work; the message says what.</exception>
    public async Task<BaseImage> MakeAsync(string? python, string? node, string name, Action<string> onStep, CancellationToken cancellationToken)
    {
        python ??= HostPrograms.Find("python3") ?? throw new IOException("this host has no python3, which every function's sandbox needs. Install it: apt-get install python3");
        List<(Runtime, string)> interpreters = [(Runtime.Python3, python)];
        if ((node ?? HostPrograms.Find("node")) is { } found) interpreters.Add((Runtime.NodeJs, found));
        if (HostPrograms.Find("bwrap") is null) throw new IOException("this host has no bwrap, which makes the functions' sandboxes. Install it: apt-get install bubblewrap");
        var scratch = Directory.CreateTempSubdirectory("stint-image-").FullName;
        try
        {
            onStep("gathering this program and what it needs");
            var rootfs = await HostRootfs.GatherAsync(interpreters, async rootfs =>
            {
                foreach (var folder in (string[])["/var/lib/stint", "/etc/stint", "/opt"]) rootfs.AddFolder(folder);
                foreach (var program in Programs)
                    if (HostPrograms.Find(program) is { } path) rootfs.AddHost(path);
                await ProgramFiles.AddAsync(rootfs, scratch, cancellationToken).ConfigureAwait(false);
            }, scratch, cancellationToken).ConfigureAwait(false);
            var total = rootfs.Size >> 20;
            var archive = TarStream.Open(rootfs, done => onStep($"packing {rootfs.Entries.Count} files: {done >> 20} of {total} MiB"), cancellationToken);
            return await new ProvenImages(engine, time).ImportAsync(new ImageTrial("Stint", ["/usr/local/bin/stint", "--version"]), archive, name,
                [$"LABEL {ImageLabels.Kind}={ImageLabels.Program}", .. Lines], onStep, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }
}
