namespace OzFunctions.Cli.CommandLine;

/// <summary>A command cannot go on. Each line is a sentence for the person at the terminal, without secrets.</summary>
internal sealed class CommandException(int exitCode, params string[] lines) : Exception(string.Join(Environment.NewLine, lines))
{
    public int ExitCode { get; } = exitCode;

    public IReadOnlyList<string> Lines { get; } = lines;

    public static CommandException Usage(params string[] lines) => new(ExitCodes.Usage, lines);

    public static CommandException Unavailable(params string[] lines) => new(ExitCodes.Unavailable, lines);
}
