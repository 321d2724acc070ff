using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Configuration;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Logging;

/// <summary>Takes known secrets out of lines of the host's own log, as they are and as JSON writes them.</summary>
internal sealed class LineMask(IEnumerable<string> secrets)
{
    private const string Hidden = "***";

    /// <summary>Shorter values stand in ordinary text all the time; masking them would hide the log and protect nothing.</summary>
    private const int LeastLength = 4;

    private readonly string[] _secrets =
    [
        .. secrets.Where(secret => secret.Length >= LeastLength)
            .SelectMany(secret => new[] { secret, System.Text.Json.JsonEncodedText.Encode(secret, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString() })
            .Distinct()
            .OrderByDescending(secret => secret.Length),
    ];

    /// <summary>For the values of secret settings and of secret-named variables.</summary>
    public static LineMask Of(SecretValues settings, Surroundings surroundings) =>
        new(settings.All.Concat(surroundings.Environment.Where(variable => SecretNames.IsSecret(variable.Key)).Select(variable => variable.Value)));

    public string Apply(string line)
    {
        foreach (var secret in _secrets)
        {
            line = line.Replace(secret, Hidden, StringComparison.Ordinal);
        }

        return line;
    }
}
