using System.Text.RegularExpressions;

namespace OzFunctions.Direct.Environments;

/// <summary>Tells from a variable's name that its value is a secret (guarantee 8).</summary>
internal static partial class SecretNames
{
    public static bool Match(string name) => Pattern().IsMatch(name);

    [GeneratedRegex("(^|_)(KEY|APIKEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|CONNECTION_?STRING|PAT|SAS|COOKIE|DSN)(_|$)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
