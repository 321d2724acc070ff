using System.CommandLine;

namespace OzFunctions.Cli.Completion;

/// <summary>A word that may follow a chain of commands.</summary>
/// <param name="Path">The commands before it, <c>ozf runs</c>.</param>
/// <param name="Word">A command or a flag.</param>
/// <param name="Choices">What may follow a flag; empty: anything, or nothing.</param>
internal sealed record CompletionWord(string Path, string Word, string Description, bool IsCommand, bool TakesValue, IReadOnlyList<string> Choices)
{
    /// <summary>All words of a tree that <c>--help</c> shows.</summary>
    public static IReadOnlyList<CompletionWord> Of(RootCommand root)
    {
        var words = new List<CompletionWord>();
        Add(words, "ozf", root, root.Options.Where(option => option.Recursive).ToList());
        return words;
    }

    private static void Add(List<CompletionWord> words, string path, Command command, IReadOnlyList<Option> everywhere)
    {
        foreach (var sub in command.Subcommands.Where(sub => !sub.Hidden))
        {
            words.Add(new(path, sub.Name, Plain(sub.Description), true, false, []));
            Add(words, $"{path} {sub.Name}", sub, everywhere);
        }

        foreach (var option in command.Options.Concat(everywhere).Distinct().Where(option => !option.Hidden))
        {
            var takesValue = option.Arity.MaximumNumberOfValues > 0 && option.ValueType != typeof(bool);
            var choices = takesValue && option.HelpName is { } name && name.Contains('|', StringComparison.Ordinal) ? name.Split('|') : [];
            words.Add(new(path, option.Name, Plain(option.Description), false, takesValue, choices));
        }
    }

    private static string Plain(string? description) => (description ?? "").ReplaceLineEndings(" ").Replace("'", "", StringComparison.Ordinal);
}
