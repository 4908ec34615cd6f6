using System.Diagnostics;
using System.Formats.Tar;
using Stint.Backends.Containers.Engine;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>Makes images of the host's static busybox: a shell, httpd, nc and 300 more programs in 2 MB, without a registry.</summary>
internal sealed class BusyboxImages(EngineClient client)
{
    private const UnixFileMode Executable = (UnixFileMode)0b111_101_101;
    private const UnixFileMode Everybody = (UnixFileMode)0b1_111_111_111;

    /// <summary>Imports an image.</summary>
    /// <param name="name">As <c>name:tag</c>.</param>
    /// <param name="changes">Lines of a Dockerfile: <c>ENTRYPOINT ["/bin/sh"]</c>.</param>
    /// <param name="scripts">Programs of the image: path and text.</param>
    /// <returns>The name.</returns>
    public async Task<string> MakeAsync(string name, IEnumerable<string>? changes = null, params (string Path, string Text)[] scripts)
    {
        using var tar = new MemoryStream(await RootfsAsync(scripts));
        var parts = name.Split(':');
        await client.Images.ImportAsync(tar, parts[0], parts.Length > 1 ? parts[1] : "latest", changes ?? [], default);
        return name;
    }

    /// <summary>The file system as a tar archive.</summary>
    public static async Task<byte[]> RootfsAsync(params (string Path, string Text)[] scripts)
    {
        using var buffer = new MemoryStream();
        await using (var tar = new TarWriter(buffer, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var folder in (string[])["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var", "www"])
                await tar.WriteEntryAsync(new UstarTarEntry(TarEntryType.Directory, folder) { Mode = folder == "tmp" ? Everybody : Executable });
            await using (var busybox = File.OpenRead(Find()))
                await tar.WriteEntryAsync(new UstarTarEntry(TarEntryType.RegularFile, "bin/busybox") { Mode = Executable, DataStream = busybox });
            foreach (var program in await ProgramsAsync())
                await tar.WriteEntryAsync(new UstarTarEntry(TarEntryType.SymbolicLink, $"bin/{program}") { LinkName = "busybox", Mode = Executable });
            foreach (var (path, text) in scripts.Append(("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")).Append(("etc/group", "root:x:0:\nnogroup:x:65534:\n")))
            {
                using var data = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text));
                await tar.WriteEntryAsync(new UstarTarEntry(TarEntryType.RegularFile, path) { Mode = Executable, DataStream = data });
            }
        }
        return buffer.ToArray();
    }

    private static string Find() => ((string[])["/bin/busybox", "/usr/bin/busybox"]).FirstOrDefault(File.Exists) ?? throw new InvalidOperationException("no busybox: apt-get install busybox-static");

    private static async Task<IReadOnlyList<string>> ProgramsAsync()
    {
        using var process = Process.Start(new ProcessStartInfo(Find(), ["--list"]) { RedirectStandardOutput = true })!;
        var names = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return [.. names.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(static name => name != "busybox")];
    }
}
