using OzFunctions.Runs;

namespace OzFunctions.Direct.Agents;

/// <summary>What the agent said about itself in its output (facts A5).</summary>
internal sealed record AgentReport
{
    public string? OzRunId { get; init; }

    public string? OzRunUrl { get; init; }

    public string? SessionUrl { get; init; }

    public string? ConversationId { get; init; }

    public IReadOnlyList<PullRequest> PullRequests { get; init; } = [];

    /// <summary>The action on which the agent waits for a confirmation that nobody gives (facts A1.5).</summary>
    public string? BlockedOn { get; init; }

    /// <summary>Its final line was read.</summary>
    public FinalLine? Final { get; init; }
}

/// <summary>Verdict of an agent's final line.</summary>
internal sealed record FinalLine(bool Succeeded, string? Message);
