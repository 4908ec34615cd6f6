// One connection of libmosquitto, from CONNECT to its end. All calls come from one thread.
//
// The library is told that it is used by several threads and its loop is ours (loop_read, loop_write, loop_misc). So whatever it has to send is put into its queue and goes out in loop_write
// and nowhere else, the acknowledgement of a message included: it is ours to say when. docs/decisions/0022-mqtt.md has the sources.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Stint.Functions;
using static Stint.Events.Mqtt.Libmosquitto;

namespace Stint.Events.Mqtt;

/// <summary>What a connection is made with.</summary>
/// <param name="Broker">Where, and how.</param>
/// <param name="ClientId">Who we are.</param>
/// <param name="Password">The password itself.</param>
/// <param name="ReceiveMaximum">Messages of QoS 1 that may be unacknowledged (MQTT 5).</param>
/// <param name="MaxPacket">Longest packet that the broker may send, bytes (MQTT 5).</param>
internal sealed record MosquittoSettings(MqttBroker Broker, string ClientId, string? Password, int ReceiveMaximum, int MaxPacket);

/// <summary>A connection. What arrives during <see cref="Read"/> is in the lists afterwards.</summary>
internal sealed unsafe class MosquittoClient : IDisposable
{
    private readonly MosquittoSettings _settings;
    private readonly GCHandle _self;
    private readonly nint _client;
    private string? _lastWords;
    private bool _disposed;

    /// <summary>Prepares a connection.</summary>
    /// <exception cref="IOException">The library refuses the settings.</exception>
    public MosquittoClient(MosquittoSettings settings)
    {
        if (Problem is { } problem) throw new IOException(problem);
        _settings = settings;
        _self = GCHandle.Alloc(this);
        var broker = settings.Broker;
        // With MQTT 5 the session's length says whether it is kept; "clean" means that one from before is not wanted.
        _client = mosquitto_new(settings.ClientId, broker.Session == TimeSpan.Zero, GCHandle.ToIntPtr(_self));
        if (_client == 0)
        {
            _self.Free();
            throw new IOException("libmosquitto refuses to make a client; the daemon is short of memory");
        }
        try
        {
            Check(mosquitto_threaded_set(_client, true));
            Check(mosquitto_int_option(_client, OptionProtocolVersion, (int)broker.Version));
            Check(mosquitto_int_option(_client, OptionReceiveMaximum, settings.ReceiveMaximum));
            Check(mosquitto_int_option(_client, OptionNoDelay, 1));
            if (broker.Username is { } user) Check(mosquitto_username_pw_set(_client, user, settings.Password));
            if (broker.Tls)
            {
                foreach (var file in new[] { broker.Ca, broker.Cert, broker.Key }.OfType<string>())
                    if (!File.Exists(file)) throw new IOException($"{file} does not exist, or the daemon may not read it");
                if (broker.Ca is null) Check(mosquitto_int_option(_client, OptionHostCertificates, 1));
                Check(mosquitto_tls_set(_client, broker.Ca, broker.Ca is null ? "/etc/ssl/certs" : null, broker.Cert, broker.Key, 0));
            }
            mosquitto_connect_v5_callback_set(_client, &OnConnect);
            mosquitto_disconnect_v5_callback_set(_client, &OnDisconnect);
            mosquitto_message_v5_callback_set(_client, &OnMessage);
            mosquitto_publish_v5_callback_set(_client, &OnPublish);
            mosquitto_subscribe_v5_callback_set(_client, &OnSubscribe);
            mosquitto_log_callback_set(_client, &OnLog);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether the broker has let us in.</summary>
    public bool IsIn { get; private set; }

    /// <summary>Whether it still had our session.</summary>
    public bool SessionPresent { get; private set; }

    /// <summary>Whether it says by which subscription a message came.</summary>
    public bool TellsSubscriptions { get; private set; }

    /// <summary>Messages that arrived. The caller empties it.</summary>
    public List<MqttMessage> Received { get; } = [];

    /// <summary>Publications that have come to an end: number and reason code. The caller empties it.</summary>
    public List<(int Id, int Reason)> Published { get; } = [];

    /// <summary>Subscriptions that were answered: number and what was granted, 128 and more is a refusal. The caller empties it.</summary>
    public List<(int Id, int Granted)> Subscribed { get; } = [];

    /// <summary>The socket, for poll(2).</summary>
    public int Socket => mosquitto_socket(_client);

    /// <summary>Whether there is something to send.</summary>
    public bool WantsToWrite => mosquitto_want_write(_client);

    private bool IsV5 => _settings.Broker.Version == MqttVersion.V5;

    /// <summary>Connects and asks to be let in. Blocks for as long as the system's resolver and TCP take.</summary>
    /// <exception cref="IOException">There is no connection; the message says why.</exception>
    public void Connect()
    {
        var broker = _settings.Broker;
        nint properties = 0;
        try
        {
            if (IsV5)
            {
                Check(mosquitto_property_add_int32(&properties, PropertyMaximumPacketSize, (uint)_settings.MaxPacket));
                if (broker.Session > TimeSpan.Zero) Check(mosquitto_property_add_int32(&properties, PropertySessionExpiry, (uint)Math.Ceiling(broker.Session.TotalSeconds)));
            }
            Check(mosquitto_connect_bind_v5(_client, broker.Host, broker.TcpPort, (int)Math.Ceiling(broker.KeepAlive.TotalSeconds), 0, properties));
        }
        finally
        {
            mosquitto_property_free_all(&properties);
        }
    }

    /// <summary>Reads what has come: at least one packet's part.</summary>
    /// <exception cref="IOException">The connection is lost, or was refused.</exception>
    public void Read() => Check(mosquitto_loop_read(_client, 1));

    /// <summary>Sends what there is to send, as far as the socket takes it.</summary>
    /// <inheritdoc cref="Read"/>
    public void Write() => Check(mosquitto_loop_write(_client, 1));

    /// <summary>Asks whether the broker is still there, when it is time.</summary>
    /// <inheritdoc cref="Read"/>
    public void KeepAlive() => Check(mosquitto_loop_misc(_client));

    /// <summary>Asks for a subscription; the answer comes in <see cref="Subscribed"/> under the number returned.</summary>
    /// <inheritdoc cref="Read"/>
    public int Subscribe(MqttSubscription subscription)
    {
        nint properties = 0;
        var id = 0;
        try
        {
            if (IsV5 && TellsSubscriptions) Check(mosquitto_property_add_varint(&properties, PropertySubscriptionIdentifier, subscription.Identifier));
            // A restored session gets no retained messages again. In shared subscriptions there are none, and the option is an error.
            var options = IsV5 && !subscription.Filter.StartsWith("$share/", StringComparison.Ordinal) ? SubscribeRetainedWhenNew : 0;
            Check(mosquitto_subscribe_v5(_client, &id, subscription.Filter, subscription.Qos, options, properties));
            return id;
        }
        finally
        {
            mosquitto_property_free_all(&properties);
        }
    }

    /// <summary>Ends a subscription.</summary>
    /// <inheritdoc cref="Read"/>
    public void Unsubscribe(string filter)
    {
        int id;
        Check(mosquitto_unsubscribe(_client, &id, filter));
    }

    /// <summary>Puts a publication into the queue; its end comes in <see cref="Published"/> under the number returned.</summary>
    /// <param name="publication">The message.</param>
    /// <param name="problem">Why it can never be sent; null when it will be.</param>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int Publish(MqttPublication publication, out string? problem)
    {
        problem = null;
        nint properties = 0;
        var id = 0;
        try
        {
            if (IsV5 && publication.ContentType is { } type) Check(mosquitto_property_add_string(&properties, PropertyContentType, type));
            if (IsV5 && publication.CorrelationData is { } data)
                fixed (byte* first = data) Check(mosquitto_property_add_binary(&properties, PropertyCorrelationData, first, (ushort)data.Length));
            fixed (byte* payload = publication.Payload.Span)
            {
                var result = mosquitto_publish_v5(_client, &id, publication.Topic, publication.Payload.Length, payload, publication.Qos, publication.Retain, properties);
                if (result is ErrorPayloadSize or ErrorPacketTooLarge) problem = $"a message of {publication.Payload.Length:N0} bytes is longer than the broker takes";
                else Check(result);
            }
            return id;
        }
        finally
        {
            mosquitto_property_free_all(&properties);
        }
    }

    /// <summary>Says goodbye, in the next <see cref="Write"/>.</summary>
    /// <param name="forget">The broker need not keep our session (MQTT 5).</param>
    public void Disconnect(bool forget)
    {
        nint properties = 0;
        if (IsV5 && forget && _settings.Broker.Session > TimeSpan.Zero) _ = mosquitto_property_add_int32(&properties, PropertySessionExpiry, 0);
        _ = mosquitto_disconnect_v5(_client, 0, properties);
        mosquitto_property_free_all(&properties);
    }

    /// <summary>Closes the connection without another word: what has not been acknowledged comes again.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        mosquitto_destroy(_client);
        _self.Free();
    }

    private void Check(int result)
    {
        if (result == Success) return;
        var error = result switch
        {
            ErrorErrno => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()),
            ErrorName => "its name cannot be resolved",
            ErrorConnectionLost when !IsIn => "the broker closed the connection before it let us in",
            _ => Text(mosquitto_strerror(result)).TrimEnd('.'),
        };
        throw new IOException(_lastWords is null ? error : $"{error} ({_lastWords})");
    }

    private static MosquittoClient Of(nint state) => (MosquittoClient)GCHandle.FromIntPtr(state).Target!;

    // None of these throws: an exception cannot pass through C.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnConnect(nint client, nint state, int code, int flags, nint properties)
    {
        var self = Of(state);
        if (code == 0)
        {
            byte available = 1;
            if (properties != 0) mosquitto_property_read_byte(properties, PropertySubscriptionIdentifiersAvailable, &available, false);
            (self.IsIn, self.SessionPresent, self.TellsSubscriptions) = (true, (flags & 1) != 0, self.IsV5 && available != 0);
        }
        else
        {
            self._lastWords = $"the broker says: {Text(self.IsV5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code)).TrimEnd('.')}";
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnDisconnect(nint client, nint state, int code, nint properties)
    {
        // A reason of the broker's own (MQTT 5.0 section 3.14.2.1), such as another client with our id.
        if (code >= 128) Of(state)._lastWords = $"the broker says: {Text(mosquitto_reason_string(code)).TrimEnd('.')}";
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnMessage(nint client, nint state, Message* message, nint properties)
    {
        var self = Of(state);
        var subscriptions = new List<uint>(1);
        uint subscription;
        for (var at = mosquitto_property_read_varint(properties, PropertySubscriptionIdentifier, &subscription, false); at != 0;
             at = mosquitto_property_read_varint(at, PropertySubscriptionIdentifier, &subscription, true)) subscriptions.Add(subscription);
        self.Received.Add(new MqttMessage(Text(message->Topic), new ReadOnlySpan<byte>(message->Payload, message->Length).ToArray())
        {
            Qos = message->Qos,
            IsRetained = message->Retain != 0,
            ContentType = ReadString(properties, PropertyContentType),
            ResponseTopic = ReadString(properties, PropertyResponseTopic),
            CorrelationData = ReadBytes(properties, PropertyCorrelationData),
            Subscriptions = subscriptions,
        });
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnPublish(nint client, nint state, int id, int code, nint properties) => Of(state).Published.Add((id, code));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnSubscribe(nint client, nint state, int id, int count, int* granted, nint properties) => Of(state).Subscribed.Add((id, count > 0 ? granted[0] : 128));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnLog(nint client, nint state, int level, byte* text)
    {
        // Why TLS failed is said here and nowhere else.
        if (level is LogError or LogWarning) Of(state)._lastWords = Text(text);
    }

    private static string? ReadString(nint properties, int identifier)
    {
        byte* value = null;
        if (properties == 0 || mosquitto_property_read_string(properties, identifier, &value, false) == 0 || value is null) return null;
        var text = Text(value);
        free(value);
        return text;
    }

    private static byte[]? ReadBytes(nint properties, int identifier)
    {
        byte* value = null;
        ushort length;
        if (properties == 0 || mosquitto_property_read_binary(properties, identifier, &value, &length, false) == 0 || value is null) return null;
        var bytes = new ReadOnlySpan<byte>(value, length).ToArray();
        free(value);
        return bytes;
    }
}
