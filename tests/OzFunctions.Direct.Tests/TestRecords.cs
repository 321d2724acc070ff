using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests;

/// <summary>Records as a host would hand them to the backend.</summary>
internal static class TestRecords
{
    public static RunRecord Claimed(RunRequest request)
    {
        var now = TimeProvider.System.GetUtcNow();
        return new RunRecord
        {
            RunId = RunId.Create(TimeProvider.System),
            State = RunState.Claimed,
            CreatedAt = now.AddSeconds(-1),
            UpdatedAt = now,
            WorkerId = "local",
            Request = request,
            Trigger = new RunTrigger { Kind = TriggerKind.Api, Name = "test" },
            Owner = new RunOwner("host-1", 1, ""),
            Attempt = 1,
            Attempts = [new AttemptRecord { Attempt = 1, HostId = "host-1", ClaimedAt = now }],
        };
    }
}
