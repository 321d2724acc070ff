namespace OzFunctions.Direct.Attempts;

/// <summary>
/// What an attempt keeps of the configuration that it began with, should its next host have another: the account that owns what was made, and the command that clears it away
/// with its times (journal <c>begun</c>).
/// </summary>
internal static class BegunSettings
{
    /// <summary>This host's options as they hold for the attempt; as they are for one that an older host began, which has no such line.</summary>
    public static DirectOptions Of(AttemptJournal journal, DirectOptions options) => journal.Find(JournalStep.Begun) is not { } begun
        ? options
        : options with
        {
            TeardownCommand = begun.TeardownCommand,
            TeardownTimeout = begun.TeardownTimeout ?? options.TeardownTimeout,
            StopGrace = begun.StopGrace ?? options.StopGrace,
            User = begun.User,
        };

    /// <summary>Before the first step of the attempt.</summary>
    public static void Note(AttemptJournal journal, DirectOptions options, DateTimeOffset now) => journal.Note(new JournalEntry
    {
        At = now,
        Step = JournalStep.Begun,
        TeardownCommand = options.TeardownCommand,
        TeardownTimeout = options.TeardownTimeout,
        StopGrace = options.StopGrace,
        User = options.User,
    });
}
