using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Stint.Cluster.Nodes;

/// <summary>What a machine says of its load, with each renewal of its lease.</summary>
internal sealed record NodeReport
{
    /// <summary>How <see cref="LacksMqtt"/> reads in <see cref="ToJson"/>, for those who look for it among many.</summary>
    public const string LacksMqttJson = "\"lacksMqtt\":true";

    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>Functions that it serves.</summary>
    public int Functions { get; init; }

    /// <summary>Instances that are there, of all functions.</summary>
    public int Instances { get; init; }

    /// <summary>Those of them that run a call.</summary>
    public int Busy { get; init; }

    /// <summary>What functions may have of the host's memory, MiB: all of it, or the budget when that is less (<see cref="Within"/>); 0 = unknown.</summary>
    public long MemoryMiB { get; init; }

    /// <summary>What another function could have of it now, without swapping, MiB.</summary>
    public long AvailableMiB { get; init; }

    /// <summary>The load average of the last minute.</summary>
    public double Load { get; init; }

    /// <summary>Processors.</summary>
    public int Processors { get; init; }

    /// <summary>The load average of the last five minutes.</summary>
    public double Load5 { get; init; }

    /// <summary>The load average of the last fifteen minutes.</summary>
    public double Load15 { get; init; }

    /// <summary>The share of the processors' time that was used since the report before, 0 to 1; null = unknown.</summary>
    public double? Cpu { get; init; }

    /// <summary>Calls that run, of all functions.</summary>
    public int Running { get; init; }

    /// <summary>Those of them by function, <c>name.module</c>; null in reports of older programs.</summary>
    public IReadOnlyDictionary<string, int>? Calls { get; init; }

    /// <summary>Those of them by the functions' tag.</summary>
    public IReadOnlyDictionary<string, int>? Tags { get; init; }

    /// <summary>Free warm instances by function.</summary>
    public IReadOnlyDictionary<string, int>? Warm { get; init; }

    /// <summary>It was to speak to an MQTT broker and found that it has no library for that: others are to receive events.</summary>
    public bool LacksMqtt { get; init; }

    /// <summary>With what the kernel says of the host (proc_meminfo(5), proc_loadavg(5)); what it does not say stays unknown.</summary>
    public NodeReport WithHost()
    {
        try
        {
            var load = File.ReadAllText("/proc/loadavg").Split(' ')[..3].Select(static number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray();
            return WithMemory(File.ReadLines("/proc/meminfo")) with { Load = load[0], Load5 = load[1], Load15 = load[2], Processors = Environment.ProcessorCount };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or ArgumentOutOfRangeException)
        {
            return this with { Processors = Environment.ProcessorCount };
        }
    }

    /// <summary>With what <c>/proc/meminfo</c> says; as it is when that does not say both.</summary>
    public NodeReport WithMemory(IEnumerable<string> lines)
    {
        long? total = null, available = null;
        foreach (var line in lines)
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal)) total = MiB(line);
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal)) available = MiB(line);
            if (total is not null && available is not null) break;
        }
        return total is { } all && available is { } free ? this with { MemoryMiB = all, AvailableMiB = free } : this;
    }

    /// <summary>
    /// With no more memory than functions are promised here. Instances that are idle give way to others, so what they hold is available; what starting, busy and leaving ones hold is not, though they may not have
    /// touched it yet. Both numbers end at the budget: policies look at parts of the whole (APP's <c>capacity_used</c>), and an idle machine has used none of it.
    /// </summary>
    /// <param name="budgetMiB">What all instances together may have (<c>memory-budget</c>).</param>
    /// <param name="heldMiB">What instances that are not idle hold of it.</param>
    public NodeReport Within(long budgetMiB, long heldMiB) =>
        MemoryMiB == 0 ? this : this with { MemoryMiB = Math.Min(MemoryMiB, budgetMiB), AvailableMiB = Math.Min(AvailableMiB, Math.Max(0, budgetMiB - heldMiB)) };

    /// <summary>As the store has it.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, NodeJson.Default.NodeReport);

    /// <summary>Reads one; null when the text is none, as of a newer program.</summary>
    public static NodeReport? FromJson(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, NodeJson.Default.NodeReport);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // NAME:   NUMBER kB
    private static long? MiB(string line) =>
        line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var number, "kB"] && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) ? kibibytes / 1024 : null;
}

/// <summary>JSON of the store's rows.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(NodeReport))]
internal sealed partial class NodeJson : JsonSerializerContext;
