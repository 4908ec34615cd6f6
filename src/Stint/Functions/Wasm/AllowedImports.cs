using System.Collections.Frozen;

namespace Stint.Functions.Wasm;

/// <summary>
/// What a module may import: functions by module and name, with exactly this signature; nothing else is there. The runner (runtimes/wasm/runner.js) has each of them.
/// </summary>
internal static class AllowedImports
{
    /// <summary>FunLess's imports.</summary>
    public const string FunLess = "fl_imps";

    /// <summary>WASI preview 1.</summary>
    public const string Wasi = "wasi_snapshot_preview1";

    // FunLess's: /docs/webassembly.md. WASI's: wasi_snapshot_preview1.witx, lowered as wasi-libc has them (i = i32, I = i64).
    private static readonly FrozenDictionary<(string Module, string Name), WasmSignature> Functions = new (string Module, string Words)[]
    {
        (FunLess, "__get_input_data i: __insert_response ii: __insert_error ii: __console_log ii: __http_request iiiiiiiiii:"),
        // What AssemblyScript's compiled code calls when it gives up: message, file, line, column.
        ("env", "abort iiii:"),
        (Wasi, "args_get ii:i args_sizes_get ii:i environ_get ii:i environ_sizes_get ii:i clock_res_get ii:i clock_time_get iIi:i"),
        (Wasi, "fd_advise iIIi:i fd_allocate iII:i fd_close i:i fd_datasync i:i fd_fdstat_get ii:i fd_fdstat_set_flags ii:i fd_fdstat_set_rights iII:i fd_filestat_get ii:i fd_filestat_set_size iI:i"),
        (Wasi, "fd_filestat_set_times iIIi:i fd_pread iiiIi:i fd_prestat_get ii:i fd_prestat_dir_name iii:i fd_pwrite iiiIi:i fd_read iiii:i fd_readdir iiiIi:i fd_renumber ii:i fd_seek iIii:i fd_sync i:i fd_tell ii:i"),
        (Wasi, "fd_write iiii:i path_create_directory iii:i path_filestat_get iiiii:i path_filestat_set_times iiiiIIi:i path_link iiiiiii:i path_open iiiiiIIii:i path_readlink iiiiii:i"),
        (Wasi, "path_remove_directory iii:i path_rename iiiiii:i path_symlink iiiii:i path_unlink_file iii:i poll_oneoff iiii:i proc_exit i: proc_raise i:i random_get ii:i sched_yield :i"),
        (Wasi, "sock_accept iii:i sock_recv iiiiii:i sock_send iiiii:i sock_shutdown ii:i"),
    }.SelectMany(static group => Pairs(group.Words).Select(pair => ((group.Module, pair.Name), pair.Signature))).ToFrozenDictionary(static pair => pair.Item1, static pair => pair.Signature);

    /// <summary>Makes sure that a function may be imported.</summary>
    /// <exception cref="ModuleRejectedException">It is not there, or not of that signature.</exception>
    public static void Require(string module, string name, WasmSignature signature)
    {
        if (!Functions.TryGetValue((module, name), out var known))
        {
            var hint = module switch
            {
                "wasi_unstable" => "it is built for an early WASI; build it for WASI preview 1 (wasm32-wasi, wasm32-wasip1)",
                Wasi => "that is none of WASI preview 1's functions",
                FunLess => "that is none of FunLess's imports",
                "wasi" => "threads are not to be had; build it for wasm32-wasip1 without threads",
                _ when module.StartsWith("wasi:", StringComparison.Ordinal) => "that is WASI preview 2; build it for WASI preview 1 (wasm32-wasip1)",
                _ when module.StartsWith("wbg", StringComparison.Ordinal) || module.Contains("wbindgen", StringComparison.Ordinal) => "it is built for a browser by wasm-bindgen; build it for wasm32-wasip1",
                "env" or "a" => "the linker found no such function, or it is built for JavaScript (Emscripten); link it in, or build it for wasm32-wasi",
                _ => "link that function in",
            };
            throw new ModuleRejectedException($"the module imports \"{Printable(module)}\" \"{Printable(name)}\", which functions cannot have: {hint}. A function may import fl_imps (FunLess) and wasi_snapshot_preview1");
        }
        if (known != signature)
            throw new ModuleRejectedException($"the module imports \"{module}\" \"{name}\" as {signature}; it is {known}. Build it with a matching SDK");
    }

    /// <summary>A name of a module as it may be shown.</summary>
    public static string Printable(string name)
    {
        var shown = name.Length <= 80 ? name : name[..80] + "…";
        return string.Concat(shown.Select(static c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
    }

    private static IEnumerable<(string Name, WasmSignature Signature)> Pairs(string words)
    {
        var parts = words.Split(' ');
        for (var i = 0; i < parts.Length; i += 2) yield return (parts[i], WasmSignature.Of(parts[i + 1]));
    }
}
