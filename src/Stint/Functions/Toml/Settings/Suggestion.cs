namespace Stint.Functions.Toml.Settings;

/// <summary>"Did you mean": the known word nearest to an unknown one.</summary>
internal static class Suggestion
{
    /// <summary>The nearest candidate, null when none is near: at most a third of the word's letters differ, case and <c>_</c> for <c>-</c> not counted.</summary>
    public static string? For(string word, IEnumerable<string> candidates)
    {
        // A key of the file may be as long as the file; nothing near a key of ours is.
        if (word.Length > 64) return null;
        var simple = Simplify(word);
        string? best = null;
        var bestDistance = Math.Max(1, word.Length / 3) + 1;
        foreach (var candidate in candidates)
        {
            var distance = Distance(simple, Simplify(candidate));
            if (distance >= bestDistance) continue;
            (best, bestDistance) = (candidate, distance);
        }
        return best;
    }

    private static string Simplify(string word) => word.ToLowerInvariant().Replace('_', '-');

    /// <summary>Edit distance with transpositions (optimal string alignment): the fewest letters to insert, delete, change or swap with a neighbour.</summary>
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) rows[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) rows[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var changed = rows[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                rows[i, j] = Math.Min(changed, Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
            }
        }
        return rows[a.Length, b.Length];
    }
}
