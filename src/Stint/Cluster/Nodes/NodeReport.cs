using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Stint.Cluster.Nodes;

/// <summary>What a machine says of its load, with each renewal of its lease.</summary>
internal sealed record NodeReport
{
    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>Functions that it serves.</summary>
    public int Functions { get; init; }

    /// <summary>Instances that are there, of all functions.</summary>
    public int Instances { get; init; }

    /// <summary>Those of them that run a call.</summary>
    public int Busy { get; init; }

    /// <summary>The host's memory, MiB; 0 = unknown.</summary>
    public long MemoryMiB { get; init; }

    /// <summary>What new programs could have of it without swapping, MiB.</summary>
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

    /// <summary>With what the kernel says of the host (proc_meminfo(5), proc_loadavg(5)).</summary>
    public NodeReport WithHost()
    {
        try
        {
            var memory = File.ReadLines("/proc/meminfo").Select(static line => line.Split([':', ' '], StringSplitOptions.RemoveEmptyEntries)).Where(static words => words is [_, _, "kB"])
                .ToDictionary(static words => words[0], static words => long.Parse(words[1], CultureInfo.InvariantCulture) / 1024);
            var load = File.ReadAllText("/proc/loadavg").Split(' ')[..3].Select(static number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray();
            return this with
            {
                MemoryMiB = memory.GetValueOrDefault("MemTotal"), AvailableMiB = memory.GetValueOrDefault("MemAvailable"), Load = load[0], Load5 = load[1], Load15 = load[2], Processors = Environment.ProcessorCount,
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return this with { Processors = Environment.ProcessorCount };
        }
    }

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
}

/// <summary>JSON of the store's rows.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(NodeReport))]
internal sealed partial class NodeJson : JsonSerializerContext;
