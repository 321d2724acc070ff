namespace OzFunctions.Cli.CommandLine;

/// <summary>Finds what a mistyped word may have meant.</summary>
internal static class Spelling
{
    /// <summary>The nearest of the known words, at most two slips away; null when none is near.</summary>
    public static string? FindNear(string word, IEnumerable<string> known)
    {
        var name = word.Split('=')[0];
        var nearest = known.Distinct().Select(candidate => (Candidate: candidate, Slips: Slips(name, candidate))).OrderBy(pair => pair.Slips).FirstOrDefault();
        return nearest.Candidate is not null && nearest.Slips <= Math.Min(2, (name.TrimStart('-').Length + 1) / 2) ? nearest.Candidate : null;
    }

    /// <summary>Letters to insert, delete, replace or swap with their neighbour.</summary>
    private static int Slips(string one, string other)
    {
        var distance = new int[one.Length + 1, other.Length + 1];
        for (var i = 0; i <= one.Length; i++)
        {
            for (var j = 0; j <= other.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    distance[i, j] = i + j;
                    continue;
                }

                var cost = one[i - 1] == other[j - 1] ? 0 : 1;
                distance[i, j] = Math.Min(Math.Min(distance[i - 1, j] + 1, distance[i, j - 1] + 1), distance[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                {
                    distance[i, j] = Math.Min(distance[i, j], distance[i - 2, j - 2] + 1);
                }
            }
        }

        return distance[one.Length, other.Length];
    }
}
