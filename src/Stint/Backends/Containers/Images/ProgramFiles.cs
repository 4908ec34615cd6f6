using System.Runtime.InteropServices;
using System.Text.Json;

namespace Stint.Backends.Containers.Images;

/// <summary>The files that this very program consists of, whichever way it was built, at fixed places of an image; <c>/usr/local/bin/stint</c> runs it.</summary>
internal static class ProgramFiles
{
    private const string Command = "/usr/local/bin/stint";
    private const string Program = "/opt/stint", Runtime = "/opt/dotnet";

    // Loaded by name when they are needed: TLS, MQTT, asynchronous calls of a single machine.
    private static readonly string[] Libraries = ["libssl.so.3", "libcrypto.so.3", "libmosquitto.so.1", "libsqlite3.so.0", "libstdc++.so.6", "libz.so.1"];

    /// <summary>Adds them.</summary>
    /// <param name="rootfs">Where to.</param>
    /// <param name="scratch">A folder for a small file of our own; it must stay until the archive has been written.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">A file is missing.</exception>
    public static async Task AddAsync(Rootfs rootfs, string scratch, CancellationToken cancellationToken)
    {
        foreach (var library in await SharedLibraries.FindAsync(Libraries, cancellationToken).ConfigureAwait(false)) rootfs.AddHost(library);
        var program = Environment.ProcessPath ?? throw new IOException("this program does not know its own file; /proc must be mounted");
        if (Path.GetFileName(program) == "dotnet") AddManaged(rootfs, scratch);
        else rootfs.AddFile(Command, program);
    }

    /// <summary>A program that .NET runs: with the part of .NET that it needs, out of the installation that runs it now.</summary>
    private static void AddManaged(Rootfs rootfs, string scratch)
    {
        var start = Path.Combine(scratch, "stint");
        File.WriteAllText(start, $"#!/bin/sh\nexec {Runtime}/dotnet {Program}/stint.dll \"$@\"\n");
        File.SetUnixFileMode(start, RootfsEntry.Folder0755);
        rootfs.AddFile(Command, start);
        foreach (var name in (string[])["stint.dll", "stint.deps.json", "stint.runtimeconfig.json", .. Dependencies()])
            if (Path.Combine(AppContext.BaseDirectory, name) is var file && File.Exists(file)) rootfs.AddFile($"{Program}/{name}", file);
        // …/shared/Microsoft.NETCore.App/10.0.1/
        var core = RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/');
        var (version, shared) = (Path.GetFileName(core), Path.GetDirectoryName(Path.GetDirectoryName(core))!);
        var installation = Path.GetDirectoryName(shared)!;
        rootfs.AddFile($"{Runtime}/dotnet", Path.Combine(installation, "dotnet"));
        foreach (var folder in (string[])[Path.Combine("host", "fxr", version), Path.Combine("shared", "Microsoft.NETCore.App", version), Path.Combine("shared", "Microsoft.AspNetCore.App", version)])
        {
            if (!Directory.Exists(Path.Combine(installation, folder))) throw new IOException($"{Path.Combine(installation, folder)} is missing, so .NET cannot be copied into an image. Build the native program and let that make its image: ./stint publish");
            rootfs.AddTree(Path.Combine(Runtime, folder), Path.Combine(installation, folder));
        }
    }

    /// <summary>Assemblies that belong to the program, by <c>stint.deps.json</c>: other programs may lie in the same folder.</summary>
    private static IEnumerable<string> Dependencies()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "stint.deps.json")));
        return [.. from target in document.RootElement.GetProperty("targets").EnumerateObject()
                   from library in target.Value.EnumerateObject()
                   where library.Value.TryGetProperty("runtime", out _)
                   from file in library.Value.GetProperty("runtime").EnumerateObject()
                   select Path.GetFileName(file.Name)];
    }
}
