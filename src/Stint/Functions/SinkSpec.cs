namespace Stint.Functions;

/// <summary><c>[[sink]]</c>: where the result of every successful call goes.</summary>
internal abstract record SinkSpec
{
    /// <summary>Most sinks of one function; arbitrary, far above use.</summary>
    public const int MaxPerFunction = 16;

    private SinkSpec() { }

    /// <summary><c>type</c>.</summary>
    public abstract string Type { get; }

    /// <summary>What it is, for people: no passwords.</summary>
    public abstract string Describe();

    /// <summary><c>type = "couchdb"</c>: a document of a CouchDB database.</summary>
    public sealed record CouchDb : SinkSpec
    {
        /// <inheritdoc/>
        public override string Type => "couchdb";

        /// <summary><c>url</c>: the database, without a password in it.</summary>
        public required Uri Url { get; init; }

        /// <summary><c>username</c>.</summary>
        public string? Username { get; init; }

        /// <summary><c>password</c> or <c>password-secret</c>.</summary>
        public Password? Password { get; init; }

        /// <inheritdoc/>
        public override string Describe() => $"couchdb {Url}";
    }

    /// <summary><c>type = "webhook"</c>: a POST.</summary>
    public sealed record Webhook : SinkSpec
    {
        /// <inheritdoc/>
        public override string Type => "webhook";

        /// <summary><c>url</c>, without a password in it.</summary>
        public required Uri Url { get; init; }

        /// <summary><c>sign-secret</c>: the secret of the function's module that signs the body; null = it is not signed.</summary>
        public string? SignSecret { get; init; }

        /// <inheritdoc/>
        public override string Describe() => $"webhook {Url}";
    }

    /// <summary><c>type = "mqtt"</c>: a message.</summary>
    public sealed record Mqtt : SinkSpec
    {
        /// <inheritdoc/>
        public override string Type => "mqtt";

        /// <summary>The broker and how to get in.</summary>
        public MqttBroker Broker { get; init; } = new() { Host = "" };

        /// <summary><c>topic</c>: a topic's name, no wildcards.</summary>
        public required string Topic { get; init; }

        /// <summary><c>qos</c>: 0 or 1. With 1 a result is delivered when the broker has acknowledged it.</summary>
        public int Qos { get; init; } = 1;

        /// <summary><c>retain</c>: the broker keeps the last one for those who subscribe later.</summary>
        public bool Retain { get; init; }

        /// <inheritdoc/>
        public override string Describe() => $"mqtt {Broker.Describe()} {Topic}, qos {Qos}";
    }

    /// <summary><c>type = "file"</c>: a line of JSON at the end of a file.</summary>
    public sealed record JsonLines : SinkSpec
    {
        /// <inheritdoc/>
        public override string Type => "file";

        /// <summary><c>path</c>: below the function's module in the daemon's folder for it.</summary>
        public required string Path { get; init; }

        /// <summary><c>sync</c>: a line counts as delivered when it is on disk; otherwise when the kernel has it.</summary>
        public bool Sync { get; init; } = true;

        /// <inheritdoc/>
        public override string Describe() => $"file {Path}";
    }
}
