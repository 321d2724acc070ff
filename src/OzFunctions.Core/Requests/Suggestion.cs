namespace OzFunctions.Requests;

/// <summary>The known name that an unknown one was probably meant to be.</summary>
public static class Suggestion
{
    /// <summary>A sentence that ends a message: <c>; did you mean 'prompt'?</c>, or nothing.</summary>
    public static string For(string name, IEnumerable<string> known) => Find(name, known) is { } found ? $"; did you mean '{found}'?" : "";

    public static string? Find(string name, IEnumerable<string> known)
    {
        var plain = Plain(name);
        if (plain.Length is 0 or > 40)
        {
            return null;
        }

        string? best = null;
        var bestDistance = Math.Min(3, (plain.Length / 3) + 1);
        foreach (var candidate in known)
        {
            var distance = Distance(plain, Plain(candidate));
            if (distance < bestDistance)
            {
                (best, bestDistance) = (candidate, distance);
            }
        }

        return best;
    }

    /// <summary>Without the differences of camelCase, kebab-case and snake_case.</summary>
    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();

    private static int Distance(string one, string other)
    {
        var row = new int[other.Length + 1];
        for (var j = 0; j <= other.Length; j++)
        {
            row[j] = j;
        }

        for (var i = 1; i <= one.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (one[i - 1] == other[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }
}
