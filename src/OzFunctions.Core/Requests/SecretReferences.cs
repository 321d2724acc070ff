using System.Text.RegularExpressions;

namespace OzFunctions.Requests;

/// <summary>Names of the host's <c>secrets[]</c>, and references to them in texts: <c>${secret:NAME}</c>.</summary>
public static partial class SecretReferences
{
    /// <summary>The rule in words, for messages.</summary>
    public const string NameRule = "a secret's name has letters, digits, '_', '-' and '.', begins with a letter or '_', and is at most 128 long";

    private const string Opening = "${secret:";

    public static bool IsName(string text) => Name().IsMatch(text);

    /// <summary>The names that a text refers to, in order, each once.</summary>
    public static IReadOnlyList<string> Find(string text) => [.. Reference().Matches(text).Select(match => match.Groups[1].Value).Distinct(StringComparer.Ordinal)];

    /// <summary>Puts values in the place of references.</summary>
    public static string Replace(string text, Func<string, string> value) => Reference().Replace(text, match => value(match.Groups[1].Value));

    /// <summary>Whether something in the text begins like a reference and is none.</summary>
    public static bool IsMalformed(string text) => Reference().Replace(text, "").Contains(Opening, StringComparison.Ordinal);

    [GeneratedRegex(@"\$\{secret:([A-Za-z_][A-Za-z0-9_.-]{0,127})\}")]
    private static partial Regex Reference();

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_.-]{0,127}\z")]
    private static partial Regex Name();
}
