namespace Stint.Functions;

/// <summary>A password: itself, or the secret of the function's module that holds it. Its text form never tells it, because records print what they hold.</summary>
/// <param name="Text">The password, when it stands in <c>function.toml</c>.</param>
/// <param name="Secret">Else the secret's name.</param>
internal sealed record Password(string? Text, string? Secret)
{
    /// <inheritdoc/>
    public override string ToString() => Secret is null ? "(a password)" : $"(the secret {Secret})";
}
