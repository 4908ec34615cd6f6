using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>The keys of an MQTT broker, which events and sinks have in common.</summary>
internal static class BrokerKeys
{
    /// <summary>The keys as members of a table that has a broker.</summary>
    public static IEnumerable<Setting<TOwner>> Of<TOwner>(TOwner defaults, Func<TOwner, MqttBroker> get, Func<TOwner, MqttBroker, TOwner> set)
    {
        yield return Key("host", new PatternKind("a host's name or address", static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':', 253), b => b.Host, (b, v) => b with { Host = v },
            "The broker.", isRequired: true);
        yield return Key("port", new OptionalKind<int>(new IntegerKind(1, 65_535)), b => b.Port, (b, v) => b with { Port = v }, "Its port.", "1883; 8883 with `tls`");
        yield return Key("username", new TextKind(), b => b.Username, (b, v) => b with { Username = v }, "Who we are there.");
        yield return Key("password", new TextKind(), b => b.Password?.Text, (b, v) => b with { Password = new Password(v, null) }, "The password.");
        yield return Key("password-secret", new SecretNameKind(), b => b.Password?.Secret, (b, v) => b with { Password = new Password(null, v) }, "Or the secret of the function's module that holds it.");
        yield return Key("tls", new BooleanKind(), b => b.Tls, (b, v) => b with { Tls = v }, "Speak TLS; the broker's certificate must be valid for `host`.");
        yield return Key("ca", PemFile(), b => b.Ca, (b, v) => b with { Ca = v }, "A file of the authorities that it may come from.", "those of the host");
        yield return Key("cert", PemFile(), b => b.Cert, (b, v) => b with { Cert = v }, "A file with our own certificate, for brokers that want one.");
        yield return Key("key", PemFile(), b => b.Key, (b, v) => b with { Key = v }, "A file with its private key.");
        yield return Key("client-id", new PatternKind("a text of 1 to 128 letters, digits and . _ -", static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-', 128), b => b.ClientId, (b, v) => b with { ClientId = v },
            "Our name there, under which the broker keeps messages for us. No two clients may have the same.", "one of the daemon's own");
        yield return Key("keepalive", new SecondsKind(5, 18_000), b => b.KeepAlive, (b, v) => b with { KeepAlive = v }, "A silent connection is tested this often.");
        yield return Key("session", new SecondsKind(0, 30 * 24 * 3600), b => b.Session, (b, v) => b with { Session = v }, "How long the broker keeps messages of QoS 1 for us while we are away; 0 = not at all. Version 3.1.1 knows only 0 and for ever.");
        yield return Key("version", new WordKind<MqttVersion>(("5", MqttVersion.V5), ("3.1.1", MqttVersion.V311)), b => b.Version, (b, v) => b with { Version = v }, "The version of MQTT.");

        Setting<TOwner, T> Key<T>(string name, ValueKind<T> kind, Func<MqttBroker, T?> read, Func<MqttBroker, T, MqttBroker> write, string help, string? defaultText = null, bool isRequired = false) =>
            new(name, kind, owner => read(get(owner)), (owner, value) => set(owner, write(get(owner), value)), defaults, help, defaultText) { IsRequired = isRequired };
    }

    /// <summary>Reports keys that contradict each other.</summary>
    public static TOwner Check<TOwner>(TOwner owner, Func<TOwner, MqttBroker> get, TomlTable table, TomlPosition position, Report report)
    {
        var broker = get(owner);
        CheckPassword(broker.Username, broker.Password, table, position, report);
        if (!broker.Tls && table.FirstOrDefault(static entry => entry.Key is "ca" or "cert" or "key") is { } unused) report(unused.Position, $"`{unused.Key}` is for TLS; add `tls = true`");
        if (broker.Cert is null != broker.Key is null) report(position, "`cert` and `key` belong together; add the other one");
        return owner;
    }

    /// <summary>Reports a password twice, or of nobody.</summary>
    public static void CheckPassword(string? username, Password? password, TomlTable table, TomlPosition position, Report report)
    {
        if (table.TryGet("password", out _) && table.TryGet("password-secret", out var second)) report(second.Position, "`password` and `password-secret` are both given; remove one of them");
        if (password is not null && username is null) report(position, "there is a password but no `username`; add it");
    }

    private static PatternKind PemFile() => new("the absolute path of a PEM file", static c => !char.IsControl(c), 4096, '/');
}
