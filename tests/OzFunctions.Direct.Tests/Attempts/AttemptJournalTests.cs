using OzFunctions.Direct.Attempts;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Attempts;

public sealed class AttemptJournalTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void What_was_noted_is_there_for_the_next_host()
    {
        using (var journal = Open())
        {
            journal.Append(new JournalEntry { At = DateTimeOffset.UnixEpoch, Step = JournalStep.WorkspaceMine, Path = "/ws" }, durable: true);
            Assert.False(journal.OwnsWorkspace);
            journal.Append(JournalStep.WorkspaceReady, durable: true);
            Assert.True(journal.Warn("once"));
            Assert.False(journal.Warn("once"));
            journal.End(RunReason.TaskTimeout, "late");
        }

        using var again = Open();

        Assert.True(again.OwnsWorkspace);
        Assert.Equal("/ws", again.WorkspacePath);
        Assert.Equal(["once"], again.Warnings);
        Assert.Equal((RunReason.TaskTimeout, "late"), (again.Find(JournalStep.Ended)!.Reason, again.Find(JournalStep.Ended)!.Message));
    }

    [Fact]
    public void A_line_that_a_crash_cut_is_dropped_and_the_next_one_is_whole()
    {
        using (var journal = Open())
        {
            journal.Append(JournalStep.WorkspaceReady, durable: true);
        }

        File.AppendAllText(_temp["journal"], """{"at":"2026-01-01T00:00:00.000Z","step":"teardown_ma""");
        using (var journal = Open())
        {
            Assert.False(journal.Has(JournalStep.TeardownMarked));
            journal.Append(JournalStep.AgentRequested, durable: true);
        }

        using var again = Open();
        Assert.True(again.Has(JournalStep.WorkspaceReady) && again.Has(JournalStep.AgentRequested));
    }

    [Fact]
    public void A_shared_directory_is_never_owned()
    {
        using var journal = Open();

        journal.Append(new JournalEntry { At = DateTimeOffset.UnixEpoch, Step = JournalStep.WorkspaceReady, Path = "/shared" }, durable: true);

        Assert.False(journal.OwnsWorkspace);
        Assert.Equal("/shared", journal.WorkspacePath);
    }

    private AttemptJournal Open() => AttemptJournal.Open(_temp["journal"], TimeProvider.System);
}
