using System.Text;

namespace Stint.Functions.Secrets;

/// <summary>Secrets that are texts, such as passwords.</summary>
internal static class SecretText
{
    /// <summary>The value as UTF-8, without the line's end that an editor leaves at its end; null when there is none of that name.</summary>
    public static string? ReadText(this SecretStore store, string module, string name) => store.Read(module, name) is { } bytes ? Encoding.UTF8.GetString(bytes).TrimEnd('\r', '\n') : null;
}
