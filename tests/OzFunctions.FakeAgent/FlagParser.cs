namespace OzFunctions.FakeAgent;

/// <summary>Reads flags as clap does: <c>--name value</c>, <c>--name=value</c>, <c>-p value</c>, <c>-pvalue</c>, <c>-p=value</c>.</summary>
internal static class FlagParser
{
    public static Dictionary<string, List<string>> Parse(ReadOnlySpan<string> args, Flag[] flags, Dictionary<string, List<string>> given)
    {
        for (var i = 0; i < args.Length; i++)
        {
            var argument = args[i];
            var (flag, attached) = Find(argument, flags);
            var values = given.TryGetValue(flag.Name, out var before) ? before : given[flag.Name] = [];
            if (values.Count > 0 && !flag.Repeatable)
            {
                throw new UsageException($"the argument '{flag.Text}' cannot be used multiple times");
            }

            if (flag.Takes is Takes.Nothing)
            {
                values.Add(attached is null ? "" : throw new UsageException($"unexpected value '{attached}' for '{flag.Text}' found; no more were expected"));
            }
            else if (attached is not null)
            {
                values.Add(attached);
            }
            else if (i + 1 < args.Length && (args[i + 1].Length < 2 || args[i + 1][0] != '-'))
            {
                // The optional value of --share eats the next word, as the real one does (facts A3.1).
                values.Add(args[++i]);
            }
            else if (flag.Takes is Takes.OptionalValue)
            {
                values.Add(AgentArguments.Bare);
            }
            else if (i + 1 < args.Length && args[i + 1][0] == '-' && !IsKnown(args[i + 1], flags))
            {
                throw UsageException.Unexpected(args[i + 1]);
            }
            else
            {
                throw new UsageException($"a value is required for '{flag.Text}' but none was supplied");
            }
        }

        return given;
    }

    private static (Flag Flag, string? Attached) Find(string argument, Flag[] flags)
    {
        if (argument.StartsWith("--", StringComparison.Ordinal) && argument.Length > 2)
        {
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? argument[2..] : argument[2..equals];
            var flag = Array.Find(flags, candidate => candidate.Name == name) ?? throw UsageException.Unexpected(equals < 0 ? argument : argument[..equals]);
            return (flag, equals < 0 ? null : argument[(equals + 1)..]);
        }

        if (argument.Length >= 2 && argument[0] == '-' && argument[1] != '-')
        {
            var flag = Array.Find(flags, candidate => candidate.Short == argument[1]) ?? throw UsageException.Unexpected(argument[..2]);
            return (flag, argument.Length == 2 ? null : argument[2] == '=' ? argument[3..] : argument[2..]);
        }

        throw UsageException.Unexpected(argument);
    }

    private static bool IsKnown(string argument, Flag[] flags)
    {
        try
        {
            Find(argument, flags);
            return true;
        }
        catch (UsageException)
        {
            return false;
        }
    }
}
