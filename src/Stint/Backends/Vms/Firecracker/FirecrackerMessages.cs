// The messages of Firecracker's API (src/firecracker/swagger/firecracker.yaml of v1.x) that we use. Its configuration file consists of the same objects. Unknown fields are errors to it, so what is null is not sent.
using System.Text.Json.Serialization;

namespace Stint.Backends.Vms.Firecracker;

/// <summary><c>PUT /machine-config</c>.</summary>
internal sealed record MachineConfiguration(
    [property: JsonPropertyName("vcpu_count")] int Processors,
    [property: JsonPropertyName("mem_size_mib")] int MemoryMiB);

/// <summary><c>PUT /boot-source</c>.</summary>
internal sealed record BootSource(
    [property: JsonPropertyName("kernel_image_path")] string Kernel,
    [property: JsonPropertyName("boot_args")] string Arguments,
    [property: JsonPropertyName("initrd_path")] string? Initrd);

/// <summary><c>PUT /drives/ID</c>.</summary>
internal sealed record Drive(
    [property: JsonPropertyName("drive_id")] string Id,
    [property: JsonPropertyName("path_on_host")] string Path,
    [property: JsonPropertyName("is_root_device")] bool IsRoot,
    [property: JsonPropertyName("is_read_only")] bool IsReadOnly);

/// <summary><c>PUT /network-interfaces/ID</c>.</summary>
internal sealed record NetworkInterface(
    [property: JsonPropertyName("iface_id")] string Id,
    [property: JsonPropertyName("guest_mac")] string HardwareAddress,
    [property: JsonPropertyName("host_dev_name")] string Tap);

/// <summary><c>PUT /logger</c>.</summary>
internal sealed record LoggerSettings(
    [property: JsonPropertyName("log_path")] string Path,
    [property: JsonPropertyName("level")] string Level);

/// <summary><c>PUT /metrics</c>.</summary>
internal sealed record MetricsSettings([property: JsonPropertyName("metrics_path")] string Path);

/// <summary><c>PUT /actions</c>.</summary>
/// <param name="Kind"><c>InstanceStart</c>, <c>SendCtrlAltDel</c> or <c>FlushMetrics</c>.</param>
internal sealed record MachineAction([property: JsonPropertyName("action_type")] string Kind);

/// <summary><c>PATCH /vm</c>.</summary>
/// <param name="State"><c>Paused</c> or <c>Resumed</c>.</param>
internal sealed record MachineState([property: JsonPropertyName("state")] string State);

/// <summary><c>PUT /snapshot/create</c>.</summary>
internal sealed record SnapshotRequest(
    [property: JsonPropertyName("snapshot_type")] string Kind,
    [property: JsonPropertyName("snapshot_path")] string StatePath,
    [property: JsonPropertyName("mem_file_path")] string MemoryPath);

/// <summary><c>PUT /snapshot/load</c>.</summary>
internal sealed record SnapshotSource(
    [property: JsonPropertyName("snapshot_path")] string StatePath,
    [property: JsonPropertyName("mem_backend")] MemoryBackend Memory,
    [property: JsonPropertyName("resume_vm")] bool Resumes);

/// <summary>Where a snapshot's memory comes from.</summary>
internal sealed record MemoryBackend(
    [property: JsonPropertyName("backend_type")] string Kind,
    [property: JsonPropertyName("backend_path")] string Path);

/// <summary><c>GET /version</c>.</summary>
internal sealed record FirecrackerVersion([property: JsonPropertyName("firecracker_version")] string? Version);

/// <summary><c>GET /</c>.</summary>
/// <param name="State"><c>Not started</c>, <c>Running</c> or <c>Paused</c>.</param>
internal sealed record MachineDescription([property: JsonPropertyName("state")] string? State);

/// <summary>What comes with a status that is an error.</summary>
internal sealed record Fault([property: JsonPropertyName("fault_message")] string? Message);

/// <summary>The file of <c>--config-file</c>.</summary>
internal sealed record FirecrackerConfiguration
{
    /// <summary>Kernel.</summary>
    [JsonPropertyName("boot-source")]
    public required BootSource BootSource { get; init; }

    /// <summary>Disks, the root first.</summary>
    [JsonPropertyName("drives")]
    public required IReadOnlyList<Drive> Drives { get; init; }

    /// <summary>Processors and memory.</summary>
    [JsonPropertyName("machine-config")]
    public required MachineConfiguration Machine { get; init; }

    /// <summary>The one network interface.</summary>
    [JsonPropertyName("network-interfaces")]
    public required IReadOnlyList<NetworkInterface> NetworkInterfaces { get; init; }
}

/// <summary>Types for the serializer.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MachineConfiguration))]
[JsonSerializable(typeof(BootSource))]
[JsonSerializable(typeof(Drive))]
[JsonSerializable(typeof(NetworkInterface))]
[JsonSerializable(typeof(LoggerSettings))]
[JsonSerializable(typeof(MetricsSettings))]
[JsonSerializable(typeof(MachineAction))]
[JsonSerializable(typeof(MachineState))]
[JsonSerializable(typeof(SnapshotRequest))]
[JsonSerializable(typeof(SnapshotSource))]
[JsonSerializable(typeof(FirecrackerVersion))]
[JsonSerializable(typeof(MachineDescription))]
[JsonSerializable(typeof(Fault))]
[JsonSerializable(typeof(FirecrackerConfiguration))]
internal sealed partial class FirecrackerJson : JsonSerializerContext;
