using System.Text.RegularExpressions;

namespace OzFunctions.Requests;

/// <summary>Which names say that their value is a secret (design, guarantee 8).</summary>
public static partial class SecretNames
{
    private static readonly string[] Headers = ["AUTHORIZATION", "PROXY_AUTHORIZATION"];

    /// <summary>The rule for environment variables and settings.</summary>
    public static bool IsSecret(string name) => Pattern().IsMatch(name);

    /// <summary>The same for names that are not written as variables: <c>apiKey</c>, <c>x-api-key</c>, <c>Authorization</c>.</summary>
    public static bool LooksSecret(string name)
    {
        var snake = WordStart().Replace(name, "_").Replace('-', '_').Replace('.', '_').Replace(' ', '_');
        return IsSecret(name) || IsSecret(snake) || Headers.Contains(snake, StringComparer.OrdinalIgnoreCase);
    }

    [GeneratedRegex("(^|_)(KEY|APIKEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|CONNECTION_?STRING|PAT|SAS|COOKIE|DSN)(_|$)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();

    [GeneratedRegex("(?<=[a-z0-9])(?=[A-Z])")]
    private static partial Regex WordStart();
}
