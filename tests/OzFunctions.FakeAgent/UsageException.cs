namespace OzFunctions.FakeAgent;

/// <summary>A command line that clap refuses: text on stderr, exit 2 (facts A5.15).</summary>
internal sealed class UsageException(string error) : Exception(error)
{
    private const string Usage = "Usage: oz agent run [OPTIONS] <--prompt <PROMPT>|--saved-prompt <SAVED_PROMPT>|--skill <SPEC>>";

    public string Text => $"error: {Message}\n\n{Usage}\n\nFor more information, try '--help'.\n";

    public static UsageException Unexpected(string argument) => new($"unexpected argument '{argument}' found");

    public static UsageException Invalid(string value, string argument, string why) => new($"invalid value '{value}' for '{argument}': {why}");

    public static UsageException NotPossible(string value, string argument, string possible) =>
        new($"invalid value '{value}' for '{argument}'\n  [possible values: {possible}]");

    public static UsageException Conflict(string one, string other) => new($"the argument '{one}' cannot be used with '{other}'");

    public static UsageException Missing(string arguments) => new($"the following required arguments were not provided:\n  {arguments}");
}

/// <summary>An error after parsing: plain text on stderr, exit 1 (facts A5.12, A5.14).</summary>
internal sealed class AgentException(string message, int exitCode = 1) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
