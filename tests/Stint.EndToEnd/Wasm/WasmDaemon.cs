using System.IO.Compression;
using Stint.EndToEnd.Fixtures;
using Stint.Management;

namespace Stint.EndToEnd.Wasm;

/// <summary>A daemon for WebAssembly functions with few runners, so that they are shared in earnest; and the tools that make modules.</summary>
public sealed class WasmDaemon : SharedDaemon
{
    internal const int Runners = 2;

    /// <summary>FunLess's imports and a page of memory, to which a test adds its functions.</summary>
    internal const string FunLess = """
        (import "fl_imps" "__get_input_data" (func $get (param i32)))
        (import "fl_imps" "__insert_response" (func $respond (param i32 i32)))
        (import "fl_imps" "__insert_error" (func $fail (param i32 i32)))
        (import "fl_imps" "__console_log" (func $log (param i32 i32)))
        (import "fl_imps" "__http_request" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        (memory (export "memory") 1)
        """;

    /// <summary>Answers with its input.</summary>
    internal const string Echo = FunLess + """
        (func (export "__invoke") (param $n i32) (result i32)
          (call $get (i32.const 1024)) (call $respond (i32.const 1024) (local.get $n)) (i32.const 0))
        """;

    internal int CoapPort { get; } = FreePorts.Take();

    internal int GrpcPort { get; } = FreePorts.Take();

    /// <inheritdoc/>
    private protected override async Task<DaemonSetup> SetupAsync()
    {
        var installed = await Programs.RunAsync(["sh", Path.Combine(Programs.Repository, "tests/Stint.EndToEnd/Wasm/install-tools.sh")], "/");
        Assert.True(installed.Code == 0, $"the tools that make modules could not be installed:\n{installed.Out}{installed.Error}");
        return new DaemonSetup { CoapPort = CoapPort, GrpcPort = GrpcPort, Flags = ["--wasm-runners", $"{Runners}", "--wasm-runners-max", "4"] };
    }

    /// <inheritdoc/>
    protected override async Task PrepareAsync() => await DeployAsync("echo", await WatAsync(Echo));

    /// <summary>A module of WebAssembly's text format, without the brackets around it.</summary>
    internal static async Task<byte[]> WatAsync(string fields)
    {
        var folder = Directory.CreateTempSubdirectory("stint-wat-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "fn.wat"), $"(module\n{fields}\n)");
            (await Programs.RunAsync(["wat2wasm", "--no-check", "fn.wat", "-o", "fn.wasm"], folder.FullName)).Good();
            return await File.ReadAllBytesAsync(Path.Combine(folder.FullName, "fn.wasm"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A WASI command of C.</summary>
    internal static async Task<byte[]> CAsync(string source)
    {
        var folder = Directory.CreateTempSubdirectory("stint-c-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "fn.c"), source);
            (await Programs.RunAsync(["clang", "--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-o", "fn.wasm", "fn.c"], folder.FullName)).Good();
            return await File.ReadAllBytesAsync(Path.Combine(folder.FullName, "fn.wasm"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A file of an npm package.</summary>
    internal static string NpmFile(string path) => Path.Combine(Programs.Repository, "artifacts/wasm-tools/node_modules", path);

    /// <summary>Deploys a module, as the command line does.</summary>
    /// <exception cref="InvalidOperationException">It was refused, with the daemon's message.</exception>
    internal async Task DeployAsync(string name, byte[] module, string wasm = "", string top = "")
    {
        using var client = new ManagementClient(Daemon.Management.BaseAddress!, null, TimeProvider.System);
        using var zip = new MemoryStream();
        using (var archive = new ZipArchive(zip, ZipArchiveMode.Create, leaveOpen: true))
        {
            await using var entry = archive.CreateEntry("fn.wasm", CompressionLevel.NoCompression).Open();
            await entry.WriteAsync(module);
        }
        zip.Position = 0;
        DeployEventView? last = null;
        await foreach (var step in client.DeployAsync(name, $"{top}\n[wasm]\n{wasm}\n", zip, default)) last = step;
        if (last?.Event != "deployed") throw new InvalidOperationException(last?.Error?.Message ?? "no answer");
    }

    /// <summary>Deploys a module of text.</summary>
    internal async Task DeployWatAsync(string name, string fields, string wasm = "", string top = "") => await DeployAsync(name, await WatAsync(fields), wasm, top);

    /// <summary>Why a module is refused.</summary>
    internal async Task<string> RefusalAsync(byte[] module, string wasm = "") =>
        (await Assert.ThrowsAsync<InvalidOperationException>(() => DeployAsync("refused", module, wasm))).Message;

    /// <summary>The daemon's runners: processes of Node.js that are below it.</summary>
    internal IReadOnlyList<int> RunnerProcesses()
    {
        var parents = new Dictionary<int, int>();
        var runners = new List<int>();
        foreach (var folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var id)) continue;
            try
            {
                var stat = File.ReadAllText($"{folder}/stat");
                parents[id] = int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
                var command = File.ReadAllText($"{folder}/cmdline").Split('\0');
                if (command.Length > 1 && Path.GetFileName(command[0]) == "node" && command.Any(static word => word.EndsWith("/runner.js", StringComparison.Ordinal))) runners.Add(id);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile.
            }
        }
        return [.. runners.Where(IsOurs)];

        bool IsOurs(int id)
        {
            for (; id > 1; id = parents.GetValueOrDefault(id))
                if (id == Daemon.ProcessId) return true;
            return false;
        }
    }
}
