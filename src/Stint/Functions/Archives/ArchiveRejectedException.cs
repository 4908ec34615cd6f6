using Stint.Functions.Deployments;

namespace Stint.Functions.Archives;

/// <summary>An archive that is unreadable or hostile. Nothing of it is used.</summary>
internal sealed class ArchiveRejectedException(string message, Exception? inner = null)
    : DeploymentException(DeploymentFault.BadRequest, message, inner)
{
    /// <summary>An entry's name as it may be shown: control characters replaced, cut to 80 characters.</summary>
    public static string Show(string entry)
    {
        var text = entry.Length > 80 ? entry[..80] + "…" : entry;
        return '"' + string.Create(text.Length, text, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = char.IsControl(source[i]) ? '?' : source[i];
        }) + '"';
    }
}
