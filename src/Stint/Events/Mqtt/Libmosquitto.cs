using System.Runtime.InteropServices;

namespace Stint.Events.Mqtt;

/// <summary>What we use of libmosquitto 2 (mosquitto.h), Eclipse's client library, and of libc's. Loaded at the first connection.</summary>
internal static unsafe partial class Libmosquitto
{
    /// <summary>The library's file, as the packages of all distributions name it.</summary>
    public const string FileName = "libmosquitto.so.1";

    // enum mosq_err_t
    internal const int Success = 0;
    internal const int ErrorConnectionLost = 7;
    internal const int ErrorPayloadSize = 9;
    internal const int ErrorErrno = 14;
    internal const int ErrorName = 15; // MOSQ_ERR_EAI
    internal const int ErrorPacketTooLarge = 25;

    // enum mosq_opt_t
    internal const int OptionProtocolVersion = 1;
    internal const int OptionReceiveMaximum = 4;
    internal const int OptionNoDelay = 11;
    internal const int OptionHostCertificates = 13;

    // MQTT 5.0 section 2.2.2.2
    internal const int PropertyPayloadFormat = 1;
    internal const int PropertyContentType = 3;
    internal const int PropertyResponseTopic = 8;
    internal const int PropertyCorrelationData = 9;
    internal const int PropertySubscriptionIdentifier = 11;
    internal const int PropertySessionExpiry = 17;
    internal const int PropertyMaximumPacketSize = 39;
    internal const int PropertySubscriptionIdentifiersAvailable = 41;

    // MQTT 5.0 section 3.8.3.1
    internal const int SubscribeRetainedWhenNew = 0x10;

    internal const int LogWarning = 4;
    internal const int LogError = 8;

    // poll(2)
    internal const short PollIn = 1;
    internal const short PollOut = 4;

    private static readonly Lazy<string?> Loading = new(Load);

    /// <summary>Why it cannot be used, and what to do; null when it can.</summary>
    public static string? Problem => Loading.Value;

    /// <summary>struct mosquitto_message.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Message
    {
        internal int Id;
        internal byte* Topic;
        internal byte* Payload;
        internal int Length;
        internal int Qos;
        internal byte Retain;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollEntry
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }

    [LibraryImport(FileName)]
    internal static partial int mosquitto_lib_init();

    [LibraryImport(FileName)]
    internal static partial int mosquitto_lib_version(int* major, int* minor, int* revision);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mosquitto_new(string id, [MarshalAs(UnmanagedType.U1)] bool cleanSession, nint state);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_destroy(nint client);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_threaded_set(nint client, [MarshalAs(UnmanagedType.U1)] bool threaded);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_int_option(nint client, int option, int value);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_username_pw_set(nint client, string username, string? password);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_tls_set(nint client, string? authorities, string? authoritiesFolder, string? certificate, string? key, nint passwordCallback);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mosquitto_connect_bind_v5(nint client, string host, int port, int keepAlive, nint bindAddress, nint properties);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_disconnect_v5(nint client, int reason, nint properties);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_socket(nint client);

    [LibraryImport(FileName)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mosquitto_want_write(nint client);

    [LibraryImport(FileName, SetLastError = true)]
    internal static partial int mosquitto_loop_read(nint client, int maxPackets);

    [LibraryImport(FileName, SetLastError = true)]
    internal static partial int mosquitto_loop_write(nint client, int maxPackets);

    [LibraryImport(FileName, SetLastError = true)]
    internal static partial int mosquitto_loop_misc(nint client);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_subscribe_v5(nint client, int* id, string filter, int qos, int options, nint properties);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_unsubscribe(nint client, int* id, string filter);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_publish_v5(nint client, int* id, string topic, int length, byte* payload, int qos, [MarshalAs(UnmanagedType.U1)] bool retain, nint properties);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_connect_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_disconnect_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, nint, void> callback);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_message_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, Message*, nint, void> callback);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_publish_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_subscribe_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, int*, nint, void> callback);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_log_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, byte*, void> callback);

    [LibraryImport(FileName)]
    internal static partial byte* mosquitto_strerror(int error);

    [LibraryImport(FileName)]
    internal static partial byte* mosquitto_connack_string(int code);

    [LibraryImport(FileName)]
    internal static partial byte* mosquitto_reason_string(int code);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_property_add_byte(nint* list, int identifier, byte value);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_property_add_int32(nint* list, int identifier, uint value);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_property_add_varint(nint* list, int identifier, uint value);

    [LibraryImport(FileName)]
    internal static partial int mosquitto_property_add_binary(nint* list, int identifier, byte* value, ushort length);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_property_add_string(nint* list, int identifier, string value);

    [LibraryImport(FileName)]
    internal static partial nint mosquitto_property_read_byte(nint list, int identifier, byte* value, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(FileName)]
    internal static partial nint mosquitto_property_read_varint(nint list, int identifier, uint* value, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(FileName)]
    internal static partial nint mosquitto_property_read_binary(nint list, int identifier, byte** value, ushort* length, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(FileName)]
    internal static partial nint mosquitto_property_read_string(nint list, int identifier, byte** value, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(FileName)]
    internal static partial void mosquitto_property_free_all(nint* list);

    [LibraryImport("libc")]
    internal static partial void free(void* memory);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int poll(PollEntry* entries, ulong count, int timeoutMilliseconds);

    /// <summary>The text of one of the library's constants.</summary>
    internal static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    private static string? Load()
    {
        if (!NativeLibrary.TryLoad(FileName, out _)) return $"{FileName} is not installed, so there is no MQTT. Install it (apt-get install libmosquitto1; dnf install mosquitto; apk add mosquitto-libs), then restart the daemon";
        int major, minor, revision;
        _ = mosquitto_lib_version(&major, &minor, &revision);
        if (major < 2) return $"{FileName} is version {major}.{minor}.{revision}; version 2 or later is needed: upgrade it, then restart the daemon";
        var result = mosquitto_lib_init();
        return result == Success ? null : $"{FileName} cannot be used: {Text(mosquitto_strerror(result))}";
    }
}
