using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Direct.Artifacts;
using OzFunctions.Direct.Changes;
using OzFunctions.Direct.Environments;
using OzFunctions.Direct.Leftovers;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>S1 to S5 of an attempt: no process left, log, artifacts, teardown, removal. A fault in one step is a warning; the others still happen.</summary>
internal sealed class AttemptSettlement(AttemptScope scope, AttemptShim shim, IBlobStore blobs, Action<Exception> crashed, Action<BlobStoreException> waits)
{
    private readonly StoreRetry _retry = new(scope);

    public TeardownResult? Teardown { get; private set; }

    public ArtifactSummary? Artifacts { get; private set; }

    public IReadOnlyList<ArtifactEntry>? Kept { get; private set; }

    public LogSummary? Log { get; private set; }

    public async Task RunAsync(Verdict verdict, CancellationToken cancellationToken)
    {
        scope.Places.OpenUp();
        NoteProcesses();
        Passed(ProtocolStep.S1);
        if (!scope.IsFenced)
        {
            await GuardAsync("Storing the log", FlushAsync, cancellationToken);
            Passed(ProtocolStep.S2);
            await GuardAsync("Keeping the artifacts", CollectAsync, cancellationToken);
            Passed(ProtocolStep.S3);
        }

        await GuardAsync("Teardown", token => TearDownAsync(verdict, token), cancellationToken);
        await GuardAsync("Ending the supervisor", shim.EndAsync, cancellationToken);
        Passed(ProtocolStep.S4);
        await GuardAsync("Removing the workspace", token => RemoveAsync(verdict, token), cancellationToken);
        Passed(ProtocolStep.S5);
        if (!scope.IsFenced)
        {
            await GuardAsync("Sealing the log", SealAsync, cancellationToken);
        }
    }

    /// <summary>The catch-all of each step: whatever goes wrong in one, no process, workspace or unfinished run may be left because of it.</summary>
    private async Task GuardAsync(string what, Func<CancellationToken, Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step(cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            crashed(exception);
            scope.Warn($"{what} failed: {exception.Message}");
        }
    }

    private async Task FlushAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _retry.RunAsync(scope.Log.FlushAsync, waits: null, cancellationToken);
        }
        catch (IOException)
        {
            // The private directory's disk is full. The spool keeps what there is; removing the workspace makes room, and the seal waits for it.
        }
    }

    private void Passed(ProtocolStep step) => scope.Owned.Probe.Passed(step, scope.Record.RunId);

    /// <summary>The shim ends every descendant before it says that a command is over (S1); what it could not end is told.</summary>
    private void NoteProcesses()
    {
        foreach (var command in shim.Status?.Commands.Where(command => !command.Clean) ?? [])
        {
            var which = command.LeftOver.Count > 0 ? string.Join(", ", command.LeftOver) : "which ones is not known";
            scope.Warn($"Processes of the {command.Phase} command could not be ended: {which}.");
        }
    }

    private async Task CollectAsync(CancellationToken cancellationToken)
    {
        if (!scope.Journal.Has(JournalStep.WorkspaceReady))
        {
            return;
        }

        if (scope.Journal.Find(JournalStep.ArtifactsDone) is { } done)
        {
            (Artifacts, Kept) = (done.Artifacts, done.Kept);
            return;
        }

        var began = scope.Time.GetTimestamp();
        var changes = new ChangesCommand(scope.Options, scope.Places, scope.Workspace.Path);
        var recorded = await RecordChangesAsync(changes, cancellationToken);
        var finder = new ArtifactFinder(scope.Places, scope.Workspace.Path);
        var collector = new ArtifactCollector(blobs, scope.Options.Artifacts, scope.Masks.Late, scope.Time, scope.Masks.IsLost ? "what is to be masked in it is not known any more" : null);
        try
        {
            var failed = await _retry.RunAsync(
                async token => (Artifacts, Kept) = await collector.CollectAsync(scope.Record.RunId, scope.Record.Attempt, finder.Find(scope.Record, recorded ? changes : null), token),
                waits,
                cancellationToken);
            if (failed is not null)
            {
                scope.Warn($"Not all artifacts could be kept: {failed}");
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            scope.Warn($"Not all artifacts could be kept: {exception.Message}");
        }

        if (Artifacts is { Count: > 0 } or { LeftOut: > 0 })
        {
            scope.Say($"{Artifacts.Count} artifacts kept, {Artifacts.Bytes} bytes, {Artifacts.LeftOut} left out");
        }

        scope.Journal.Note(
            new JournalEntry { At = scope.Time.GetUtcNow(), Step = JournalStep.ArtifactsDone, Artifacts = Artifacts, Kept = Kept, Seconds = scope.Time.GetElapsedTime(began).TotalSeconds });
    }

    /// <summary>Answers whether what lies in the place of the patches is git's; it may be anything that the agent put there.</summary>
    private async Task<bool> RecordChangesAsync(ChangesCommand changes, CancellationToken cancellationToken)
    {
        // Only an agent makes changes that are worth a patch.
        if (scope.Record.Request.Changes == false || shim.Find(ShimPhase.Agent) is not { SpawnError: 0 })
        {
            return false;
        }

        try
        {
            if (shim.Find(ShimPhase.Changes) is null)
            {
                scope.Places.RemakeChanges();
                var heads = scope.Journal.Find(JournalStep.SetupDone)?.Heads ?? new Dictionary<string, string>();
                var variables = scope.Environment.ForChanges(EnvironmentFile.Read(scope.Places.EnvironmentFile));
                if (changes.Find(heads, variables, scope.Environment.StateDirectories) is not { } command)
                {
                    return false;
                }

                await shim.StartAsync(command, cancellationToken);
            }

            var status = shim.IsAlive ? await shim.FollowAsync(ShimPhase.Changes, scope.Options.ChangesTimeout, stoppable: false, finished: null, cancellationToken) : shim.Find(ShimPhase.Changes)!;
            if (status is not { Ended: true, ExitCode: 0 })
            {
                scope.Warn(status.StoppedBy == ShimStopCause.Timeout
                    ? "The changes of the run took too long to record and were left out."
                    : "Not all changes of the run could be recorded; the log says why.");
            }
        }
        catch (Exception exception) when (exception is ShimException or EnvironmentFileException or RunRefusedException or IOException or UnauthorizedAccessException)
        {
            scope.Warn($"The changes of the run could not be recorded: {exception.Message}");
        }

        return shim.Find(ShimPhase.Changes) is not null;
    }

    /// <summary>At most once: marked before it starts, and the shim starts a phase only once whoever asks.</summary>
    private async Task TearDownAsync(Verdict verdict, CancellationToken cancellationToken)
    {
        if (scope.Options.TeardownCommand is null || !scope.Journal.Has(JournalStep.WorkspaceReady) || scope.Journal.Has(JournalStep.WorkspaceRemoved))
        {
            Teardown = ResultOf(shim.Find(ShimPhase.Teardown));
            return;
        }

        var marked = scope.Journal.Has(JournalStep.TeardownMarked);
        var ordered = marked;
        try
        {
            var (command, lacking) = FindTeardown(verdict);
            if (command is not null && !shim.IsAlive && shim.Status is null && !marked)
            {
                await shim.LaunchAsync(command, cancellationToken);
            }

            if (!marked)
            {
                MarkTeardown();
            }

            var status = shim.Find(ShimPhase.Teardown);
            if (command is null && status is null)
            {
                ordered = false;
                status = await shim.LetGoAsync(cancellationToken);
            }
            else if (shim.IsAlive && status is not { Ended: true })
            {
                // When its lease is over the shim starts teardown itself, and only that one.
                try
                {
                    if (status is null && shim.Status is not { LeaseOver: true })
                    {
                        await shim.StartAsync(command!, cancellationToken);
                        ordered = true;
                    }
                }
                catch (ShimException exception) when (exception is not ShimLostException && shim.Status is { LeaseOver: true })
                {
                    // The lease ended in between.
                }

                status = await shim.WaitForStartAsync(ShimPhase.Teardown, cancellationToken) is null
                    ? null
                    : await shim.FollowAsync(ShimPhase.Teardown, scope.Options.TeardownTimeout, stoppable: false, finished: null, cancellationToken);
            }

            NoteTeardown(status, lacking);
            if (!ordered && status is { SpawnError: 0 })
            {
                NoteTold(verdict, lacking);
            }
        }
        catch (Exception exception) when (exception is ShimException or RunRefusedException or IOException)
        {
            if (shim.Find(ShimPhase.Teardown) is { Ended: true } status)
            {
                NoteTeardown(status, lacking: null);
                return;
            }

            Teardown = new TeardownResult(Ran: shim.Find(ShimPhase.Teardown) is not null, ExitCode: null);
            scope.Warn($"Teardown could not be run to its end: {exception.Message}");
        }
    }

    /// <summary>
    /// The command, or, where this host does not have (any more) what the request asks for, what that is: the living shim holds the command as it was given when the attempt
    /// began.
    /// </summary>
    private (ShimCommand? Command, string? Lacking) FindTeardown(Verdict verdict)
    {
        try
        {
            return (TeardownCommand.Find(scope, verdict, shim.Find(ShimPhase.Agent)), null);
        }
        catch (RunRefusedException exception) when (shim.IsAlive)
        {
            return (null, exception.Message);
        }
    }

    private void MarkTeardown()
    {
        try
        {
            scope.Journal.Append(JournalStep.TeardownMarked, durable: true);
        }
        catch (IOException) when (shim.IsAlive)
        {
            // A full disk: the living shim starts it once whoever asks, and has said so on disk before.
            scope.Journal.Note(JournalStep.TeardownMarked);
        }
    }

    private void NoteTeardown(ShimCommandStatus? status, string? lacking)
    {
        Teardown = ResultOf(status) ?? new TeardownResult(Ran: false, ExitCode: null);
        if (status is null)
        {
            scope.Warn(lacking is not null ? $"Teardown did not run. {lacking}" : shim.Status is { LeaseOver: true } ? "Teardown did not run: the lease ended before anything had been started." : "Teardown did not run: the supervisor of the run was killed.");
        }
        else if (status.SpawnError != 0)
        {
            scope.Warn($"The teardown command could not be executed: {Posix.Libc.Describe(status.SpawnError)}.");
        }
        else if (status is not { ExitCode: 0, StoppedBy: null })
        {
            scope.Warn(status switch
            {
                { StoppedBy: ShimStopCause.Timeout } => "The teardown command took too long and was stopped.",
                { ExitCode: { } code } => $"The teardown command exited with code {code}.",
                { Signal: { } signal } => $"The teardown command was ended by signal {Agents.SignalNames.Get(signal)}.",
                _ => "The teardown command ended in an unknown way.",
            });
        }
    }

    /// <summary>The supervisor that tore down alone could not know all that decides how the run ended.</summary>
    private void NoteTold(Verdict verdict, string? lacking)
    {
        var told = LonelyVerdict.Of(shim.Status!)?.Reason ?? RunReason.HostLost.Text();
        if (lacking is not null)
        {
            scope.Warn($"The supervisor of the run ran teardown with what it was given when the attempt began, and told it {told}; this host could not. {lacking}");
        }
        else if (told != verdict.Reason.Text())
        {
            scope.Warn($"Teardown ran while no host was there and was told {told}; the run ended as {verdict.Reason.Text()}.");
        }
    }

    private static TeardownResult? ResultOf(ShimCommandStatus? status) =>
        status is null ? null : new TeardownResult(status.SpawnError == 0, status.ExitCode);

    private async Task RemoveAsync(Verdict verdict, CancellationToken cancellationToken)
    {
        if (scope.Workspace.IsShared)
        {
            return;
        }

        if (scope.Journal.Has(JournalStep.WorkspaceMine) && !scope.Journal.Has(JournalStep.WorkspaceReady))
        {
            // Its making failed or was cut short: an empty directory may be ours, anything else is not.
            _ = PosixFiles.RemoveDirectory(scope.Workspace.Path);
            return;
        }

        if (!scope.Journal.OwnsWorkspace)
        {
            return;
        }

        if (!scope.Options.Cleanup || (scope.Options.KeepFailedWorkspaces && verdict.Reason != RunReason.Completed))
        {
            scope.Say($"The workspace {scope.Workspace.Path} is kept");
            return;
        }

        if (await new TreeRemover(scope.Time).RemoveAsync(scope.Workspace.Path, cancellationToken) is { } left)
        {
            scope.Warn($"The workspace could not be removed whole: {left}");
            new LeftDirectories(Path.GetDirectoryName(scope.Workspace.Path)!).Note(scope.Workspace.Path, scope.Time.GetUtcNow());
            return;
        }

        scope.Journal.Note(JournalStep.WorkspaceRemoved);
    }

    private async Task SealAsync(CancellationToken cancellationToken)
    {
        if (await _retry.RunAsync(async token => Log = await scope.Log.SealAsync(token), waits: null, cancellationToken) is { } failed)
        {
            scope.Journal.Warn(scope.Masks.Mask($"The log could not be stored to its end: {failed}"));
        }
    }
}
