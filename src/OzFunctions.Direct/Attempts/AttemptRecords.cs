using OzFunctions.Backends;
using OzFunctions.Direct.Agents;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>Puts together what the record will say of an attempt.</summary>
internal static class AttemptRecords
{
    public static AttemptOutcome Render(AttemptScope scope, AttemptShim shim, AttemptSettlement settlement, Verdict verdict)
    {
        var agent = shim.Find(ShimPhase.Agent);
        var report = scope.Reader.Report;
        var before = scope.Record.CurrentAttempt ?? new AttemptRecord { Attempt = scope.Record.Attempt, HostId = scope.Record.Owner?.HostId ?? "" };
        var warnings = scope.Journal.Warnings;
        return new AttemptOutcome
        {
            Reason = verdict.Reason,
            Message = verdict.Message,
            NotExecuted = agent is null && !scope.Journal.Has(JournalStep.AgentRequested) ? true : null,
            Artifacts = settlement.Kept is { Count: > 0 } kept ? kept : null,
            Attempt = before with
            {
                Host = before.Host ?? Environment.MachineName,
                StartedAt = agent is { SpawnError: 0 } ? agent.StartedAt : null,
                FinishedAt = scope.Time.GetUtcNow(),
                State = verdict.Reason.State(),
                Reason = verdict.Reason,
                Message = verdict.Message,
                ExitCode = agent?.ExitCode,
                Signal = agent?.Signal is { } signal ? SignalNames.Get(signal) : null,
                StoppedBy = (agent?.StoppedBy ?? shim.Find(ShimPhase.Setup)?.StoppedBy) is { } cause ? Enum.Parse<StoppedBy>(cause.ToString()) : null,
                OzRunId = report.OzRunId,
                OzRunUrl = report.OzRunUrl,
                SessionUrl = report.SessionUrl,
                PullRequests = report.PullRequests.Count > 0 ? report.PullRequests : null,
                Durations = new PhaseDurations
                {
                    Queued = before.Durations?.Queued ?? (before.ClaimedAt is { } claimed ? claimed - scope.Record.CreatedAt : null),
                    Setup = Duration(shim.Find(ShimPhase.Setup)),
                    Agent = Duration(agent),
                    Artifacts = scope.Journal.Find(JournalStep.ArtifactsDone)?.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
                    Teardown = Duration(shim.Find(ShimPhase.Teardown)),
                },
                Limits = shim.Status?.Limits,
                PeakMemoryBytes = agent is { SpawnError: 0, Ended: true } ? agent.PeakMemoryBytes : null,
                CpuSeconds = agent is { SpawnError: 0, Ended: true } ? agent.CpuSeconds : null,
                AgentVersion = scope.Journal.Find(JournalStep.AgentRequested)?.AgentVersion ?? before.AgentVersion,
                MasksSha256 = null,
                Teardown = settlement.Teardown,
                Log = settlement.Log,
                Artifacts = settlement.Artifacts,
                Warnings = warnings.Count > 0 ? warnings : null,
            },
        };
    }

    private static TimeSpan? Duration(ShimCommandStatus? command) => command is { SpawnError: 0, EndedAt: { } ended } ? ended - command.StartedAt : null;
}
