using OzFunctions.Direct.Environments;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Attempts;

/// <summary>What this host lets a run be: checked once it has claimed it, before anything of it is made. Variables are checked where they are resolved.</summary>
internal static class PolicyCheck
{
    /// <summary>Throws <see cref="RunRefusedException"/>.</summary>
    /// <param name="options">This host's, with its policy.</param>
    /// <param name="record">The run.</param>
    /// <param name="veto">Asks the command that <see cref="RunPolicy.Veto"/> names.</param>
    public static async Task CheckAsync(DirectOptions options, RunRecord record, Func<VetoOptions, Task<string?>> veto)
    {
        var policy = options.Policy;
        if (policy.Senders is { } senders && !senders.Any(rule => Matches(rule, record.AskedBy ?? "")))
        {
            throw new RunRefusedException(record.AskedBy is null
                ? "Nobody is named who asked for this run, and this host takes runs of named senders only (policy.senders)."
                : $"This host takes no runs that {record.AskedBy} asked for (policy.senders).");
        }

        var agent = AgentOf(options, record);
        if (policy.Agents is { } agents && !agents.Contains(agent, StringComparer.Ordinal))
        {
            throw new RunRefusedException($"This host does not run the agent {agent}; it runs {string.Join(", ", agents)} (policy.agents).");
        }

        if (policy.Veto is { } asked && await veto(asked) is { } reason)
        {
            throw new RunRefusedException($"The veto command of this host refused the run: {reason}");
        }
    }

    /// <summary>As <c>policy.agents</c> names it; a program that a caller of <c>ozf exec</c> wrote down has its file's name.</summary>
    private static string AgentOf(DirectOptions options, RunRecord record) =>
        record.Request.Harness ?? (options is { ForeignArguments: not null, OzPath: { } program } ? Path.GetFileName(program) : "oz");

    /// <summary>Whether a text is what a rule says; <c>*</c> stands for any part.</summary>
    internal static bool Matches(string rule, string text)
    {
        var parts = rule.Split('*');
        if (parts.Length == 1)
        {
            return rule == text;
        }

        if (!text.StartsWith(parts[0], StringComparison.Ordinal) || text.Length < parts[0].Length + parts[^1].Length || !text.EndsWith(parts[^1], StringComparison.Ordinal))
        {
            return false;
        }

        var at = parts[0].Length;
        var end = text.Length - parts[^1].Length;
        foreach (var part in parts[1..^1])
        {
            var found = text.IndexOf(part, at, end - at, StringComparison.Ordinal);
            if (found < 0)
            {
                return false;
            }

            at = found + part.Length;
        }

        return true;
    }
}
