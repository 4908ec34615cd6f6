using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>A runtime's whole answer to one request.</summary>
/// <param name="Frames">How many frames it took.</param>
/// <param name="Failure">The message of the FAILURE that ended it, if one did.</param>
internal sealed record RuntimeAnswer(int Status, Dictionary<string, string> Headers, byte[] Body, int Frames, string? Failure)
{
    /// <summary>The body as text.</summary>
    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>The <c>Content-Type</c> header; null without one.</summary>
    public string? ContentType => Headers.GetValueOrDefault("Content-Type");
}
