using System.Text.Json;
using OzFunctions.Backends;
using OzFunctions.Direct.Leftovers;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>An attempt directory whose lock this process holds.</summary>
/// <param name="leftBehind">Told of a directory that could not be removed whole, and why.</param>
internal sealed class AttemptDirectory(AttemptPlaces places, FileLock held, AttemptIntent? intent, DirectOptions options, IShims shims, Action<string, string> leftBehind, TimeProvider time) : IAttemptDirectory
{
    // A machine that is short of everything takes long over all this.
    private static readonly TimeSpan MostForAnswer = TimeSpan.FromMinutes(1);

    public string Name => Path.GetFileName(places.Directory);

    public AttemptIntent? Intent => intent;

    public AttemptPlaces Places => places;

    public string? FindSharedWorkspace()
    {
        if (!File.Exists(places.Journal))
        {
            return null;
        }

        using var journal = FindJournal();
        return journal is null || journal.Has(JournalStep.WorkspaceMine) ? null : journal.Find(JournalStep.WorkspaceReady)?.Path;
    }

    public AttemptOutcome? FindOutcome()
    {
        try
        {
            return Posix.RegularFile.FindAll(places.Outcome) is { } bytes ? JsonSerializer.Deserialize(bytes, RunJson.Wire.AttemptOutcome) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>S6.</summary>
    public void WriteOutcome(AttemptOutcome outcome) => DurableFiles.Replace(places.Outcome, JsonSerializer.SerializeToUtf8Bytes(outcome, RunJson.Wire.AttemptOutcome));

    public async Task DiscardAsync(CancellationToken cancellationToken)
    {
        places.OpenUp();
        string? workspace;
        bool owned;
        TimeSpan atMost;
        using (var journal = FindJournal())
        {
            var begun = journal is null ? options : BegunSettings.Of(journal, options);
            atMost = (2 * begun.StopGrace) + begun.TeardownTimeout;
            owned = journal is { OwnsWorkspace: true };
            workspace = journal is not null && journal.Has(JournalStep.WorkspaceMine) && !journal.Has(JournalStep.WorkspaceRemoved) ? journal.WorkspacePath : null;
        }

        await EndProcessesAsync(atMost, cancellationToken);
        if (workspace is not null && Path.GetDirectoryName(workspace) == Path.GetDirectoryName(Path.GetDirectoryName(places.Directory)))
        {
            if (owned && options.Cleanup)
            {
                if (await new TreeRemover(time).RemoveAsync(workspace, cancellationToken) is not null)
                {
                    new LeftDirectories(Path.GetDirectoryName(workspace)!).Note(workspace, time.GetUtcNow());
                }
            }
            else if (!owned)
            {
                // Said that it would make it and was killed: an empty directory may be ours, anything else is not.
                _ = PosixFiles.RemoveDirectory(workspace);
            }
        }

        Delete();
    }

    public void Delete()
    {
        places.OpenUp();

        // The lock goes last: until then nobody else takes what is half removed for an abandoned attempt.
        foreach (var entry in Directory.EnumerateFileSystemEntries(places.Directory).Where(entry => entry != places.Lock && entry != places.Intent).ToList())
        {
            TreeRemover.RemoveOnce(entry);
        }

        TreeRemover.RemoveOnce(places.Intent);
        if (TreeRemover.RemoveOnce(places.Directory) is { } left)
        {
            new LeftDirectories(Path.GetDirectoryName(Path.GetDirectoryName(places.Directory))!).Note(places.Directory, time.GetUtcNow());
            leftBehind(places.Directory, left);
        }

        Dispose();
    }

    public void Dispose() => held.Dispose();

    /// <summary>Null where it cannot be opened: its processes are ended all the same.</summary>
    private AttemptJournal? FindJournal()
    {
        try
        {
            return AttemptJournal.Open(places.Journal, time);
        }
        catch (Exception exception) when (exception is (IOException or UnauthorizedAccessException) && !Passes(exception))
        {
            return null;
        }
    }

    /// <summary>A want of this process or machine: the next round may read what stands there. Without it the workspace would be nobody's.</summary>
    private static bool Passes(Exception exception) => exception.HResult is Posix.Libc.Enomem or Posix.Libc.Enfile or Posix.Libc.Emfile;

    private async Task EndProcessesAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(MostForAnswer + atMost, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        ShimStatus? known = null;
        try
        {
            await using var session = await shims.AttachAsync(places.Directory, _ => { }, time, either.Token);
            known = session?.Status;
            await (session is null ? Task.CompletedTask : EndShimAsync(session, either.Token));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            known ??= shims.Identify(places.Directory);
            shims.Kill(places.Directory, known);
        }

        // Where nothing names its processes nobody could tell later either.
        if ((known ?? shims.Identify(places.Directory)) is { } left)
        {
            await shims.SweepAsync(places.Directory, left, cancellationToken);
        }

        await Inquiry.ClearAllAsync(shims, places, time, cancellationToken);
    }

    private static async Task EndShimAsync(IShimSession session, CancellationToken cancellationToken)
    {
        try
        {
            // As when its lease is over, so it goes on by itself should this host end: it stops what runs, runs teardown once where one is owed, and ends.
            await session.RenewAsync(TimeSpan.Zero, cancellationToken);
        }
        catch (ShimException)
        {
            // It does so already, or was shot.
        }

        await session.WaitForEndAsync(cancellationToken);
    }
}
