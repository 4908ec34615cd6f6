using Stint.Backends.Containers.Images;

namespace Stint.Backends.Vms.Images;

/// <summary>Passes bytes through a program of the host that reads a file and writes to its standard output.</summary>
internal static class HostFilter
{
    /// <summary>What the program makes of the bytes; empty when it makes nothing.</summary>
    /// <param name="program">A decompressor.</param>
    /// <param name="arguments">Its arguments, before the file's path.</param>
    /// <param name="input">What the file has in it.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <exception cref="VmImageException">There is no such program.</exception>
    public static async Task<byte[]> RunAsync(string program, string[] arguments, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        var file = Path.GetTempFileName();
        try
        {
            await using (var stream = File.OpenWrite(file)) await stream.WriteAsync(input, cancellationToken).ConfigureAwait(false);
            using var process = Start(program, [.. arguments, file]);
            try
            {
                using var output = new MemoryStream();
                // Both at once: a program that fills one pipe waits for its reader. It complains of what a kernel's build appends, which does not matter.
                await Task.WhenAll(process.StandardOutput.BaseStream.CopyToAsync(output, cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken)).ConfigureAwait(false);
                return output.ToArray();
            }
            finally
            {
                if (!process.HasExited) process.Kill();
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static System.Diagnostics.Process Start(string program, string[] arguments)
    {
        try
        {
            return HostCommand.Start(program, arguments);
        }
        catch (IOException missing)
        {
            throw new VmImageException($"the kernel or one of its modules is packed with {program}, which this host does not have. Install it: apt-get install {(program == "xz" ? "xz-utils" : program)}", missing);
        }
    }
}
