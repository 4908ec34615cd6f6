using Stint.Functions.Secrets;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;
using Stint.Functions.Triggers;

namespace Stint.Functions.Specification;

/// <summary>A text that something else reads, and says what is wrong with it.</summary>
internal abstract class CheckedTextKind<T> : ValueKind<T>
{
    /// <inheritdoc/>
    public sealed override T? Read(TomlValue value, Report report)
    {
        if (value is not TomlString text) return Refuse(value, report);
        var result = Parse(text.Value, out var problem);
        if (problem is null) return result;
        report(value.Position, problem);
        return default;
    }

    /// <summary>The value, or what is wrong with it: completes the key's name.</summary>
    protected abstract T? Parse(string text, out string? problem);
}

/// <summary>A topic filter of MQTT.</summary>
internal sealed class TopicFilterKind : CheckedTextKind<string>
{
    /// <inheritdoc/>
    public override string Description => "a topic filter, such as \"sensors/+/temperature\"";

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);

    /// <inheritdoc/>
    protected override string? Parse(string text, out string? problem) => TopicFilter.TryParse(text, out _, out problem) ? text : null;
}

/// <summary>A topic's name of MQTT.</summary>
internal sealed class TopicNameKind : CheckedTextKind<string>
{
    /// <inheritdoc/>
    public override string Description => "a topic's name, such as \"alarms/kitchen\"";

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);

    /// <inheritdoc/>
    protected override string Parse(string text, out string? problem)
    {
        problem = TopicFilter.ProblemOfName(text);
        return text;
    }
}

/// <summary>A cron expression.</summary>
internal sealed class CronKind : CheckedTextKind<CronExpression>
{
    /// <summary>Stands where there is none yet.</summary>
    public static CronExpression Never { get; } = CronExpression.TryParse("@yearly", out var yearly, out _) ? yearly : throw new InvalidOperationException("unreachable: @yearly is one");

    /// <inheritdoc/>
    public override string Description => "a cron expression, such as \"*/5 * * * *\"";

    /// <inheritdoc/>
    public override TomlValue Write(CronExpression value) => new TomlString(value.ToString());

    /// <inheritdoc/>
    protected override CronExpression? Parse(string text, out string? problem) => CronExpression.TryParse(text, out var cron, out problem) ? cron : null;
}

/// <summary>A time zone.</summary>
internal sealed class ZoneKind : CheckedTextKind<TimeZoneInfo>
{
    /// <inheritdoc/>
    public override string Description => "a time zone's name, such as \"Europe/Berlin\"";

    /// <inheritdoc/>
    public override TomlValue Write(TimeZoneInfo value) => new TomlString(value.Id);

    /// <inheritdoc/>
    protected override TimeZoneInfo? Parse(string text, out string? problem)
    {
        problem = null;
        // A name becomes a path below /usr/share/zoneinfo.
        if (text.Length is > 0 and <= 64 && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+') && text[0] != '/' && TimeZoneInfo.TryFindSystemTimeZoneById(text, out var zone)) return zone;
        problem = $"must be {Description}, and this host knows none of the name {TomlWriter.WriteValue(new TomlString(text.Length <= 64 ? text : text[..64]))}; the names are those of the IANA (`timedatectl list-timezones`), from the package tzdata";
        return null;
    }
}

/// <summary>A URL of HTTP, without a password in it.</summary>
internal sealed class UrlKind : CheckedTextKind<Uri>
{
    private const int MaxLength = 2048;

    /// <inheritdoc/>
    public override string Description => "an http:// or https:// URL";

    /// <inheritdoc/>
    public override TomlValue Write(Uri value) => new TomlString(value.OriginalString);

    /// <inheritdoc/>
    protected override Uri? Parse(string text, out string? problem)
    {
        problem = null;
        if (text.Length > MaxLength || text.Any(char.IsControl) || !Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
            problem = $"must be {Description} of at most {MaxLength:N0} characters";
        else if (url.UserInfo.Length > 0) problem = "has a user or password in it, where anybody who sees the URL sees them; put them into `username` and `password-secret`";
        else if (url.Fragment.Length > 0) problem = "has a fragment (#…), which is not sent; remove it";
        else return url;
        return null;
    }
}

/// <summary>The name of a secret.</summary>
internal sealed class SecretNameKind : CheckedTextKind<string>
{
    /// <inheritdoc/>
    public override string Description => "a secret's name";

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);

    /// <inheritdoc/>
    protected override string Parse(string text, out string? problem)
    {
        problem = SecretName.IsValid(text) ? null : $"has a name that no secret can have: {SecretName.Rule}";
        return text;
    }
}

/// <summary>A relative path that can lead nowhere but down.</summary>
internal sealed class SinkPathKind : CheckedTextKind<string>
{
    private const int MaxLength = 200, MaxDepth = 4;

    /// <inheritdoc/>
    public override string Description => "a relative path such as \"results/kitchen.jsonl\"";

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);

    /// <inheritdoc/>
    protected override string Parse(string text, out string? problem)
    {
        var parts = text.Split('/');
        problem = text.Length <= MaxLength && parts.Length <= MaxDepth && parts.All(IsName) ? null
            : $"must be {Description}: at most {MaxDepth} names of A-Z a-z 0-9 . _ - with slashes between them, none beginning with a dot";
        return text;
    }

    private static bool IsName(string part) => part.Length > 0 && part[0] != '.' && part.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
