using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>Every key of <c>[[sink]]</c> by type.</summary>
internal static class SinkKeys
{
    private static readonly Uri Nowhere = new("http://localhost/");
    private static readonly SinkSpec.CouchDb CouchDbDefaults = new() { Url = Nowhere };
    private static readonly SinkSpec.Webhook WebhookDefaults = new() { Url = Nowhere };
    private static readonly SinkSpec.Mqtt MqttDefaults = new() { Topic = "none" };
    private static readonly SinkSpec.JsonLines FileDefaults = new() { Path = "none" };

    /// <summary>Keys with <c>type = "couchdb"</c>.</summary>
    public static Section<SinkSpec.CouchDb> CouchDb { get; } = new("[sink]",
    [
        CouchDbKey("url", new UrlKind(), s => s.Url, (s, v) => s with { Url = v }, "The database, such as `http://host:5984/db`.", isRequired: true),
        CouchDbKey("username", new TextKind(), s => s.Username, (s, v) => s with { Username = v }, "Who we are there."),
        CouchDbKey("password", new TextKind(), s => s.Password?.Text, (s, v) => s with { Password = new Password(v, null) }, "The password."),
        CouchDbKey("password-secret", new SecretNameKind(), s => s.Password?.Secret, (s, v) => s with { Password = new Password(null, v) }, "Or the secret of the function's module that holds it."),
    ]);

    /// <summary>Keys with <c>type = "webhook"</c>.</summary>
    public static Section<SinkSpec.Webhook> Webhook { get; } = new("[sink]",
    [
        new Setting<SinkSpec.Webhook, Uri>("url", new UrlKind(), s => s.Url, (s, v) => s with { Url = v }, WebhookDefaults, "Where the result is POSTed to.") { IsRequired = true },
        new Setting<SinkSpec.Webhook, string>("sign-secret", new SecretNameKind(), s => s.SignSecret, (s, v) => s with { SignSecret = v }, WebhookDefaults,
            "The secret of the function's module that signs the body: `X-Stint-Signature: sha256=HEX` (HMAC)."),
    ]);

    /// <summary>Keys with <c>type = "mqtt"</c>.</summary>
    public static Section<SinkSpec.Mqtt> Mqtt { get; } = new("[sink]",
    [
        .. BrokerKeys.Of(MqttDefaults, static s => s.Broker, static (s, v) => s with { Broker = v }),
        MqttKey("topic", new TopicNameKind(), s => s.Topic, (s, v) => s with { Topic = v }, "The topic that results are published to.", isRequired: true),
        MqttKey("qos", new IntegerKind(0, 1), s => s.Qos, (s, v) => s with { Qos = v }, "With 1 a result is delivered when the broker has acknowledged it."),
        MqttKey("retain", new BooleanKind(), s => s.Retain, (s, v) => s with { Retain = v }, "The broker keeps the last one for those who subscribe later."),
    ]);

    /// <summary>Keys with <c>type = "file"</c>.</summary>
    public static Section<SinkSpec.JsonLines> File { get; } = new("[sink]",
    [
        new Setting<SinkSpec.JsonLines, string>("path", new SinkPathKind(), s => s.Path, (s, v) => s with { Path = v }, FileDefaults, "The file, below the module's folder in the daemon's `sink-folder`.") { IsRequired = true },
        new Setting<SinkSpec.JsonLines, bool>("sync", new BooleanKind(), s => s.Sync, (s, v) => s with { Sync = v }, FileDefaults, "A line is delivered when it is on disk, not already when the kernel has it."),
    ]);

    private static Setting<SinkSpec.CouchDb, T> CouchDbKey<T>(
        string name, ValueKind<T> kind, Func<SinkSpec.CouchDb, T?> get, Func<SinkSpec.CouchDb, T, SinkSpec.CouchDb> set, string help, bool isRequired = false) =>
        new(name, kind, get, set, CouchDbDefaults, help) { IsRequired = isRequired };

    private static Setting<SinkSpec.Mqtt, T> MqttKey<T>(string name, ValueKind<T> kind, Func<SinkSpec.Mqtt, T?> get, Func<SinkSpec.Mqtt, T, SinkSpec.Mqtt> set, string help, bool isRequired = false) =>
        new(name, kind, get, set, MqttDefaults, help) { IsRequired = isRequired };
}

/// <summary><c>[[sink]]</c>.</summary>
internal sealed class SinksKind() : TypedTablesKind<SinkSpec>("[[sink]]", SinkSpec.MaxPerFunction)
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Types { get; } = ["couchdb", "webhook", "mqtt", "file"];

    /// <inheritdoc/>
    public override SinkSpec ReadOne(string type, TomlTable table, TomlPosition position, Report report)
    {
        switch (type)
        {
            case "couchdb":
                var couchDb = ReadAll(SinkKeys.CouchDb, table, new SinkSpec.CouchDb { Url = new Uri("http://localhost/") }, position, report);
                BrokerKeys.CheckPassword(couchDb.Username, couchDb.Password, table, position, report);
                return couchDb;
            case "webhook": return ReadAll(SinkKeys.Webhook, table, new SinkSpec.Webhook { Url = new Uri("http://localhost/") }, position, report);
            case "mqtt": return BrokerKeys.Check(ReadAll(SinkKeys.Mqtt, table, new SinkSpec.Mqtt { Topic = "" }, position, report), static s => s.Broker, table, position, report);
            default: return ReadAll(SinkKeys.File, table, new SinkSpec.JsonLines { Path = "" }, position, report);
        }
    }

    /// <inheritdoc/>
    public override TomlTable WriteOne(SinkSpec spec) => spec switch
    {
        SinkSpec.CouchDb couchDb => SinkKeys.CouchDb.Write(couchDb),
        SinkSpec.Webhook webhook => SinkKeys.Webhook.Write(webhook),
        SinkSpec.Mqtt mqtt => SinkKeys.Mqtt.Write(mqtt),
        SinkSpec.JsonLines file => SinkKeys.File.Write(file),
        _ => throw new ArgumentException($"unknown sink {spec.Type}", nameof(spec)),
    };

    /// <inheritdoc/>
    protected override string TypeOf(SinkSpec spec) => spec.Type;
}
