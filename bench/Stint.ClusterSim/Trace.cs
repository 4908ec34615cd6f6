using System.Globalization;

namespace Stint.ClusterSim;

/// <summary>A function of the trace.</summary>
/// <param name="Memory">Of an instance, MiB.</param>
/// <param name="Median">Seconds of a call, half of the calls take less.</param>
/// <param name="Spread">Standard deviation of the logarithm of the seconds.</param>
/// <param name="Weight">Its part of all calls.</param>
/// <param name="Period">Seconds between the calls of a function that a clock calls; zero = people and programs call it, at random.</param>
internal sealed record TraceFunction(int Memory, double Median, double Spread, double Weight, double Period);

/// <summary>
/// Who calls what and when. Generated after what M. Shahrad et al. report of a large provider ("Serverless in the Wild", USENIX ATC 2020): few functions have nearly all calls (their figure 5), a third of them is called by a
/// clock, half of the calls take less than a second (figure 7), day and night differ (figure 4). Or recorded: lines of <c>SECOND,FUNCTION,DURATION,MEMORY</c>, in order of time.
/// </summary>
internal abstract class Trace
{
    /// <summary>The calls in order of time: second, function's number, duration in seconds.</summary>
    public abstract IEnumerable<(double At, int Function, double Duration)> Calls();

    /// <summary>MiB of a function's instance.</summary>
    public abstract int Memory(int function);

    /// <summary>How many functions there are.</summary>
    public abstract int Functions { get; }

    /// <summary>A generated one.</summary>
    public sealed class Generated(int functions, double callsPerSecond, double seconds, int seed) : Trace
    {
        private static readonly int[] Sizes = [32, 64, 64, 128, 128, 128, 256, 256, 512];
        private readonly TraceFunction[] _functions = Make(functions, seed);

        public override int Functions => _functions.Length;

        public override int Memory(int function) => _functions[function].Memory;

        public override IEnumerable<(double At, int Function, double Duration)> Calls()
        {
            var random = new Random(seed + 1);
            var next = new PriorityQueue<int, double>();
            for (var i = 0; i < _functions.Length; i++) next.Enqueue(i, _functions[i].Period > 0 ? random.NextDouble() * _functions[i].Period : Wait(i, 0, random));
            while (next.TryDequeue(out var function, out var at) && at < seconds)
            {
                var its = _functions[function];
                yield return (at, function, Math.Min(60, its.Median * Math.Exp(its.Spread * Normal(random))));
                next.Enqueue(function, at + (its.Period > 0 ? its.Period : Wait(function, at, random)));
            }
        }

        // A Poisson process whose rate follows the day: between six tenths and one and four tenths of its mean.
        private double Wait(int function, double at, Random random)
        {
            var rate = _functions[function].Weight * callsPerSecond * (1 + (0.4 * Math.Sin(2 * Math.PI * at / 86_400)));
            return -Math.Log(1 - random.NextDouble()) / rate;
        }

        private static TraceFunction[] Make(int count, int seed)
        {
            var random = new Random(seed);
            var weights = Enumerable.Range(1, count).Select(static rank => Math.Pow(rank, -1.3)).ToArray();
            var sum = weights.Sum();
            return [.. weights.Select(weight => new TraceFunction(
                Sizes[random.Next(Sizes.Length)], 0.25 * Math.Exp(1.2 * Normal(random)), 0.5, weight / sum, random.NextDouble() < 0.3 ? 60 * random.Next(1, 61) : 0))];
        }

        private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    /// <summary>A recorded one.</summary>
    public sealed class Recorded : Trace
    {
        private readonly List<(double At, int Function, double Duration)> _calls = [];
        private readonly List<int> _memory = [];

        /// <summary>Reads it.</summary>
        public Recorded(string path)
        {
            var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var line in File.ReadLines(path))
            {
                if (line.Split(',') is not [var at, var function, var duration, var memory]) throw new FormatException($"not SECOND,FUNCTION,DURATION,MEMORY: {line}");
                if (!numbers.TryGetValue(function, out var number))
                {
                    numbers[function] = number = _memory.Count;
                    _memory.Add(int.Parse(memory, CultureInfo.InvariantCulture));
                }
                _calls.Add((double.Parse(at, CultureInfo.InvariantCulture), number, double.Parse(duration, CultureInfo.InvariantCulture)));
            }
        }

        public override int Functions => _memory.Count;

        public override int Memory(int function) => _memory[function];

        public override IEnumerable<(double At, int Function, double Duration)> Calls() => _calls;
    }
}
