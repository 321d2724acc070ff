namespace OzFunctions.Cli.CommandLine;

/// <summary>One word of a command that people copy into a shell.</summary>
internal static class ShellWord
{
    public static string Quote(string text) => text.Length > 0 && text.All(character => char.IsAsciiLetterOrDigit(character) || character is '/' or '.' or '-' or '_' or '=' or ':' or ',')
        ? text
        : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
