namespace OzFunctions.Cli.CommandLine;

/// <summary>Flags whose value may be left out, as in <c>oz agent run</c> (facts A2.15, A3.1): the next word is eaten unless it is a flag.</summary>
internal static class ShareArguments
{
    private static readonly Dictionary<string, string> Bare = new(StringComparer.Ordinal)
    {
        ["--share"] = "--share=self",
        ["--idle-on-complete"] = "--idle-on-complete=45m",
    };

    public static IReadOnlyList<string> Complete(IReadOnlyList<string> args)
    {
        var completed = new List<string>(args.Count);
        for (var i = 0; i < args.Count; i++)
        {
            if (args[i] == "--")
            {
                completed.AddRange(args.Skip(i));
                break;
            }

            var isBare = i + 1 == args.Count || args[i + 1].StartsWith('-');
            completed.Add(isBare && Bare.TryGetValue(args[i], out var whole) ? whole : args[i]);
        }

        return completed;
    }
}
