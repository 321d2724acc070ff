namespace OzFunctions.FakeAgent;

/// <summary><c>oz</c> as far as a runner calls it: <c>agent run</c> (alias <c>r</c>) and <c>--version</c>.</summary>
internal static class CommandLine
{
    public const string Version = "oz v0.2026.08.22.08.00.fake_01";

    public static int Run(string[] args)
    {
        if (args is ["--version"] or ["-V"])
        {
            new AgentOutput(json: false).Raw(System.Text.Encoding.UTF8.GetBytes(Version + "\n"));
            return 0;
        }

        var words = SplitGlobals(args, out var globals);
        switch (words)
        {
            case ["agent", "run" or "r", .. var rest]:
                return RunAgent(args, AgentArguments.Parse(globals, rest));
            case ["agent"]:
                throw new UsageException("'oz agent' requires a subcommand but one was not provided");
            case ["agent", var other, ..]:
                throw new UsageException($"unrecognized subcommand '{other}'");
            case [var other, ..]:
                throw new UsageException($"unrecognized subcommand '{other}'");
            default:
                throw new UsageException("'oz' requires a subcommand but one was not provided");
        }
    }

    private static int RunAgent(string[] args, AgentArguments arguments)
    {
        if (Guard.FindRefusal(args) is { } refusal)
        {
            new AgentOutput(json: false).Error(refusal + "\n");
            return Guard.ExitCode;
        }

        arguments.CheckPlaces();
        if (arguments.Find("cwd") is { } cwd)
        {
            Directory.SetCurrentDirectory(cwd);
        }

        return new AgentRun(arguments).Execute();
    }

    /// <summary>Global flags may stand before the subcommand.</summary>
    private static string[] SplitGlobals(string[] args, out Dictionary<string, List<string>> globals)
    {
        globals = new(StringComparer.Ordinal);
        var i = 0;
        while (i < args.Length && args[i].StartsWith('-'))
        {
            var takesNext = !args[i].Contains('=', StringComparison.Ordinal) && args[i] != "--debug" && i + 1 < args.Length;
            FlagParser.Parse(args.AsSpan(i, takesNext ? 2 : 1), Flag.Global, globals);
            i += takesNext ? 2 : 1;
        }

        return args[i..];
    }
}
