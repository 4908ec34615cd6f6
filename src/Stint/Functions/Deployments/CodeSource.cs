using Stint.Functions.Archives;
using Stint.Functions.Bundles;
using Stint.Functions.Wasm;

namespace Stint.Functions.Deployments;

/// <summary>Where the code of a deployment comes from.</summary>
internal abstract record CodeSource
{
    private CodeSource() { }

    /// <summary>Puts the code into a new folder.</summary>
    /// <param name="target">The folder, not there yet.</param>
    /// <param name="scratch">A folder for what is needed meanwhile.</param>
    /// <param name="limits">What an archive may contain.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="DeploymentException">The code is unusable.</exception>
    public abstract Task PlaceAsync(string target, string scratch, ArchiveLimits limits, CancellationToken cancellationToken);

    /// <summary>An uploaded zip. The stream stays the caller's.</summary>
    /// <param name="Content">The archive; one that cannot seek is written to disk first.</param>
    /// <param name="Subfolder">The folder in it that holds the code; <c>/</c>, empty or null: its root.</param>
    public sealed record Zip(Stream Content, string? Subfolder = null) : CodeSource
    {
        /// <inheritdoc/>
        public override async Task PlaceAsync(string target, string scratch, ArchiveLimits limits, CancellationToken cancellationToken)
        {
            var extractor = new ZipExtractor(limits);
            if (Content.CanSeek)
            {
                await Task.Run(() => extractor.Extract(Content, target, Subfolder, cancellationToken), cancellationToken);
                return;
            }
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose };
            await using var spool = new FileStream(Path.Combine(scratch, "upload.zip"), options);
            await Content.CopyToAsync(spool, cancellationToken);
            await Task.Run(() => extractor.Extract(spool, target, Subfolder, cancellationToken), cancellationToken);
        }
    }

    /// <summary>A folder of this host, which is copied.</summary>
    /// <param name="Path">The folder.</param>
    public sealed record Folder(string Path) : CodeSource
    {
        /// <inheritdoc/>
        public override Task PlaceAsync(string target, string scratch, ArchiveLimits limits, CancellationToken cancellationToken) => Task.Run(() =>
        {
            if (!Directory.Exists(Path)) throw new DeploymentException(DeploymentFault.BadRequest, $"there is no folder {Path}");
            var entries = CodeTree.Walk(Path);
            CodeTree.Check(Path, entries);
            CodeTree.Copy(Path, entries, target);
        }, cancellationToken);
    }

    /// <summary>A WebAssembly module alone. The stream stays the caller's.</summary>
    /// <param name="Content">The module's bytes.</param>
    public sealed record Module(Stream Content) : CodeSource
    {
        /// <summary>The file's name among the code.</summary>
        public const string FileName = "module.wasm";

        /// <inheritdoc/>
        public override async Task PlaceAsync(string target, string scratch, ArchiveLimits limits, CancellationToken cancellationToken)
        {
            CodeTree.MakeFolder(target);
            var buffer = new byte[64 * 1024];
            await using var file = new FileStream(System.IO.Path.Combine(target, FileName), FileMode.CreateNew, FileAccess.Write);
            for (int read; (read = await Content.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                if (file.Length + read > WasmModule.MaxBytes) throw new DeploymentException(DeploymentFault.BadRequest, WasmModule.TooLarge);
                await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }
    }
}
