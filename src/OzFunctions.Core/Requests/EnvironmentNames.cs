using System.Text.RegularExpressions;

namespace OzFunctions.Requests;

/// <summary>Names of environment variables, and those that no caller may set.</summary>
public static partial class EnvironmentNames
{
    /// <summary>The rule in words, for messages.</summary>
    public const string Rule = "a variable's name has letters, digits and '_', does not begin with a digit, and is at most 256 long";

    public static bool IsName(string text) => Name().IsMatch(text);

    /// <summary>Why a request may not set the variable; null when it may.</summary>
    public static string? FindReserved(string name)
    {
        if (name.StartsWith("OZ_", StringComparison.Ordinal) || name.StartsWith("OZF_", StringComparison.Ordinal))
        {
            return "names beginning with OZ_ and OZF_ are set by the host; choose another name";
        }

        if (name.StartsWith("LD_", StringComparison.Ordinal))
        {
            return "LD_ variables change how every program is loaded; a request may not set them";
        }

        return name switch
        {
            "PATH" or "HOME" => $"{name} is the host's; set it in the worker's configuration or in the setup command's environment file",
            "WARP_API_KEY" => "the agent's key is the host's; list it in backend.direct.agent_environment of the worker",
            _ => null,
        };
    }

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]{0,255}\z")]
    private static partial Regex Name();
}
