using System.Text;
using Stint.Cli;

namespace Stint.Tests.Cli;

/// <summary>Runs commands in this process, with a terminal or a pipe that the test plays, in a folder of its own.</summary>
internal sealed class PlayedCli : IDisposable
{
    private readonly MemoryStream _bytes = new();
    private readonly StringWriter _out = new() { NewLine = "\n" };
    private readonly StringWriter _error = new() { NewLine = "\n" };

    /// <summary>The current folder of the commands.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("stint-cli-").FullName;

    /// <summary>Environment variables.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    /// <summary>Standard input.</summary>
    public string Input { get; set; } = "";

    /// <summary>A person watches.</summary>
    public bool Terminal { get; set; }

    /// <summary>Characters in a line.</summary>
    public int Width { get; set; } = 120;

    /// <summary>Lines of the terminal.</summary>
    public int Height { get; set; } = 40;

    /// <summary>The keyboard; nobody ever presses a key by default.</summary>
    public Func<char> ReadKey { get; set; } = static () => throw new InvalidOperationException("no key is pressed");

    /// <summary>What <c>stint up</c> does.</summary>
    public UpAction Up { get; set; } = (_, _, _) => throw new InvalidOperationException("up was not expected");

    /// <summary>Text on standard output, then bytes.</summary>
    public string Out => _out.ToString() + Encoding.UTF8.GetString(_bytes.ToArray());

    /// <summary>Bytes on standard output.</summary>
    public byte[] Bytes => _bytes.ToArray();

    /// <summary>Standard error.</summary>
    public string Error => _error.ToString();

    /// <summary>The session that commands see.</summary>
    public CliSession Session => new()
    {
        Out = _out, Error = _error, OpenInput = () => new MemoryStream(Encoding.UTF8.GetBytes(Input)), OpenOutput = () => new Undisposed(_bytes),
        InputIsTerminal = Terminal, OutputIsTerminal = Terminal, ErrorIsTerminal = Terminal, Width = Width, Height = Height, ReadKey = ReadKey, Variable = Variables.GetValueOrDefault, Folder = Folder,
    };

    /// <summary>Runs a command; the result is the exit code.</summary>
    public Task<int> RunAsync(params string[] args) => RunAsync(CancellationToken.None, args);

    /// <summary>Runs a command that Ctrl-C may stop.</summary>
    public Task<int> RunAsync(CancellationToken cancellationToken, params string[] args) => CommandLine.RunAsync(args, Up, Session, cancellationToken);

    /// <summary>Writes a file below <see cref="Folder"/>.</summary>
    public string Write(string path, string content)
    {
        var full = Path.Combine(Folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
        return full;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Folder, recursive: true);

    // Commands close standard output; the test still wants to read it.
    private sealed class Undisposed(MemoryStream inner) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
