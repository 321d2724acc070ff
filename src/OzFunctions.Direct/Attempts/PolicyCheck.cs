using OzFunctions.Direct.Environments;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Attempts;

/// <summary>What this host lets a run be: checked once it has claimed it, before anything of it is made. Variables are checked where they are resolved.</summary>
internal static class PolicyCheck
{
    /// <summary>Throws <see cref="RunRefusedException"/>.</summary>
    public static async Task CheckAsync(RunPolicy policy, RunRecord record, CancellationToken cancellationToken)
    {
        if (policy.Senders is { } senders && !senders.Any(rule => Matches(rule, record.AskedBy ?? "")))
        {
            throw new RunRefusedException(record.AskedBy is null
                ? "Nobody is named who asked for this run, and this host takes runs of named senders only (policy.senders)."
                : $"This host takes no runs that {record.AskedBy} asked for (policy.senders).");
        }

        var agent = record.Request.Harness ?? "oz";
        if (policy.Agents is { } agents && !agents.Contains(agent, StringComparer.Ordinal))
        {
            throw new RunRefusedException($"This host does not run the agent {agent}; it runs {string.Join(", ", agents)} (policy.agents).");
        }

        if (policy.Veto is { } veto && await veto(record, cancellationToken) is { } reason)
        {
            throw new RunRefusedException($"The veto command of this host refused the run: {reason}");
        }
    }

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
