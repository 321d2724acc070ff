using System.Text.Json;
using OzFunctions.Backends;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Changes;
using OzFunctions.Direct.Environments;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>C8 to the end of the agent: workspace, setup, environment file, agent. Every step looks first whether an earlier host did it.</summary>
internal sealed class AttemptStart(AttemptScope scope, AttemptShim shim, AgentVersions? versions, Func<string, Inquiry> inquire)
{
    // The CLI stops itself five minutes before its deadline (facts A5.18); a short run has no such room.
    private static readonly TimeSpan ShortRun = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan DeadlineLead = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan MostForEvent = TimeSpan.FromSeconds(5);
    private const int LongestVersion = 200;

    /// <summary>How the attempt ended.</summary>
    public async Task<Verdict> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await RunStepsAsync(cancellationToken);
        }
        catch (WorkspaceException exception)
        {
            return new(RunReason.WorkspaceSetup, exception.Message);
        }
        catch (RunRefusedException exception)
        {
            return new(RunReason.PolicyRefused, exception.Message);
        }
        catch (EnvironmentFileException exception)
        {
            return new(RunReason.EnvironmentFile, exception.Message);
        }
        catch (ShimLostException exception)
        {
            return OfLostShim(exception.Message);
        }
        catch (ShimException exception)
        {
            return shim.Status is { LeaseOver: true }
                ? LeaseEnded
                : new(RunReason.Internal, $"The supervisor of the run could not do its work: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new(IsDiskFull(exception) ? RunReason.DiskLow : RunReason.WorkspaceSetup, $"The files of the attempt could not be written: {exception.Message}");
        }
    }

    private async Task<Verdict> RunStepsAsync(CancellationToken cancellationToken)
    {
        if (shim.Find(ShimPhase.Agent) is not null)
        {
            return await FollowAgentAsync(cancellationToken);
        }

        // A dead shim that had begun: what it did is not done twice (protocol A4).
        if (!shim.IsAlive && (shim.GivenUp || scope.Journal.Has(JournalStep.AgentRequested) || shim.Status is { } left && (left.Commands.Count > 0 || left.LeaseOver)))
        {
            return !shim.GivenUp && shim.Status is { LeaseOver: true } ? LeaseEnded : OfLostShim("It was killed before the agent was started.");
        }

        // Looked up first, so that a run that this host must refuse costs nothing.
        var environment = scope.Environment;
        AgentCommand.CheckMcp(scope.Options, scope.Record.Request);
        if (scope.FindOrder() is { } early)
        {
            return early;
        }

        if (scope.Journal.Find(JournalStep.WorkspaceReady) is null)
        {
            try
            {
                await PolicyCheck.CheckAsync(
                    scope.Options, scope.Record, veto => new VetoHook(veto, inquire(scope.Places.Veto), scope.Masks.Mask).FindReasonAsync(scope.Record, scope.Owned.StopOrdered, cancellationToken));
            }
            catch (RunRefusedException) when (scope.FindOrder() is not null)
            {
                // The order that came meanwhile decides.
            }

            if (scope.FindOrder() is { } meanwhile)
            {
                return meanwhile;
            }
        }

        await PrepareAsync(cancellationToken);
        NoteUnmasked(scope.Masks.Unmasked);
        if (await SetUpAsync(environment, cancellationToken) is { } failed)
        {
            return failed;
        }

        var variables = EnvironmentFile.Read(scope.Places.EnvironmentFile);
        var (agent, fault) = AgentLookup.Find(scope.Options);
        if (agent is null)
        {
            return new(RunReason.AgentNotFound, fault);
        }

        NoteSetup(variables);
        NoteUnmasked(scope.Masks.Fix(variables));
        scope.Owned.Probe.Passed(ProtocolStep.C8, scope.Record.RunId);
        var arguments = AgentCommand.Write(agent, scope.Options, scope.Record.Request, scope.Places);

        // Takes its time, which is not the agent's; an order that comes meanwhile is seen before C9.
        var said = versions is null ? null : await versions.FindAsync(arguments[0], scope.Options.User, inquire(scope.Places.Version), scope.Owned.StopOrdered, cancellationToken);
        if (scope.FindOrder() is { } order)
        {
            return order;
        }

        switch (await scope.Owned.StartAsync(scope.Masks.Digest, cancellationToken))
        {
            case StartPermission.Cancelled:
                return scope.FindOrder() ?? new(RunReason.TaskCancelled, "The run was cancelled before the agent was started.");
            case StartPermission.Fenced:
                scope.NoteFenced();
                return AttemptScope.Taken;
        }

        return await RunAgentAsync(arguments, environment, variables, said, cancellationToken);
    }

    // ENOSPC or EDQUOT, as the BCL or the shared file code words them.
    private static bool IsDiskFull(Exception exception) =>
        exception.Message.Contains("No space left", StringComparison.Ordinal) || exception.Message.Contains("quota", StringComparison.OrdinalIgnoreCase) || exception.Message.Contains("disk is full", StringComparison.OrdinalIgnoreCase);

    /// <summary>What commands find and the workspace are made while the shim is started and comes to be ready: neither needs the other.</summary>
    private async Task PrepareAsync(CancellationToken cancellationToken)
    {
        if (!scope.Journal.Has(JournalStep.WorkspaceMine) && !scope.Journal.Has(JournalStep.WorkspaceReady) && scope.Workspace.FindObstacle() is { } obstacle)
        {
            throw new WorkspaceException(obstacle);
        }

        var teardown = TeardownCommand.Find(scope, new(RunReason.HostLost, null), agent: null);
        var launching = shim.IsAlive ? Task.CompletedTask : Task.Run(() => shim.LaunchAsync(teardown, cancellationToken), CancellationToken.None);
        try
        {
            scope.Places.Make(scope.Options.PrivateHome);
            scope.Places.WriteForCommands(scope.Places.RequestFile, [.. JsonSerializer.SerializeToUtf8Bytes(RequestFile.Of(scope.Record), DirectJson.Disk.RequestFile), (byte)'\n']);
            MakeWorkspace();
        }
        finally
        {
            // Whatever became of the workspace, a shim that is on its way is known before anybody asks for it.
            await launching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await launching;
    }

    private void MakeWorkspace()
    {
        if (scope.Journal.Has(JournalStep.WorkspaceReady))
        {
            return;
        }

        var announced = scope.Journal.Has(JournalStep.WorkspaceMine);
        var path = scope.Workspace.Path;
        if (!announced && !scope.Workspace.IsShared)
        {
            scope.Journal.Append(new JournalEntry { At = scope.Time.GetUtcNow(), Step = JournalStep.WorkspaceMine, Path = path }, durable: true);
        }

        scope.Workspace.Make(announced, scope.Options.User);

        // Durable before anything is in it: an empty one that was announced is taken for ours without this line.
        scope.Journal.Append(new JournalEntry { At = scope.Time.GetUtcNow(), Step = JournalStep.WorkspaceReady, Path = path }, durable: scope.Options.SetupCommand is not null);
        scope.Say($"Attempt {scope.Record.Attempt} of run {scope.Record.RunId} in {scope.Workspace.Path}");
    }

    private async Task<Verdict?> SetUpAsync(CommandEnvironment environment, CancellationToken cancellationToken)
    {
        if (scope.Journal.Has(JournalStep.SetupDone))
        {
            return null;
        }

        if (shim.Find(ShimPhase.Setup) is null)
        {
            if (scope.Options.SetupCommand is not { } command)
            {
                return null;
            }

            await shim.StartAsync(new ShimCommand
            {
                Phase = ShimPhase.Setup,
                Arguments = ["/bin/sh", "-c", command],
                Environment = environment.ForSetup(),
                WorkingDirectory = scope.Workspace.Path,
                Timeout = scope.SetupTimeout,
                StopGrace = scope.Options.StopGrace,
                FinishedGrace = scope.SetupTimeout,
            }, cancellationToken);
        }

        var status = await shim.FollowAsync(ShimPhase.Setup, scope.SetupTimeout, stoppable: true, finished: null, cancellationToken);
        return OutcomeRules.OfSetup(status, scope.SetupTimeout);
    }

    private void NoteSetup(IReadOnlyList<KeyValuePair<string, string>> variables)
    {
        if (scope.Journal.Has(JournalStep.SetupDone))
        {
            return;
        }

        foreach (var (name, _) in variables.Where(pair => CommandEnvironment.IsProtected(pair.Key)))
        {
            scope.Warn($"The environment file sets {name}, which is this product's own; it was left out.");
        }

        var heads = scope.Record.Request.Changes == false ? null : Repositories.ReadHeads(scope.Workspace.Path);

        // Durable with the line that says that the agent is asked for; until then the shim's status tells as much of a setup.
        scope.Journal.Append(new JournalEntry { At = scope.Time.GetUtcNow(), Step = JournalStep.SetupDone, Heads = heads }, durable: false);
    }

    private void NoteUnmasked(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            scope.Warn($"The value of {name} is too short or too common to be masked: it is shown where it is printed.");
        }
    }

    private async Task<Verdict> RunAgentAsync(
        IReadOnlyList<string> arguments, CommandEnvironment environment, IReadOnlyList<KeyValuePair<string, string>> variables, string? said, CancellationToken cancellationToken)
    {
        var version = said is null ? null : Shorten(scope.Masks.Mask(said));
        var at = scope.Time.GetUtcNow();
        var given = environment.ForAgent(variables, FindSoftDeadline(at));
        NoteAudit(arguments, given, version);
        scope.Journal.Append(new JournalEntry { At = at, Step = JournalStep.AgentRequested, AgentVersion = version }, durable: true);
        var status = await shim.StartAsync(new ShimCommand
        {
            Phase = ShimPhase.Agent,
            Arguments = arguments,
            Environment = given,
            WorkingDirectory = scope.Workspace.Path,
            Timeout = scope.Timeout,
            SilenceTimeout = scope.Record.Request.SilenceTimeout,
            StopGrace = scope.Options.StopGrace,
            FinishedGrace = scope.Options.FinishedGrace,
        }, cancellationToken);
        if (status.SpawnError != 0)
        {
            return OfAgent(status);
        }

        scope.Owned.Probe.Passed(ProtocolStep.C10, scope.Record.RunId);

        // Best effort, and publishers may be slow: the agent is not kept waiting for it, and its end only for a moment.
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var noting = scope.Owned.NoteStartedAsync(giveUp.Token);
        try
        {
            return await FollowAgentAsync(cancellationToken);
        }
        finally
        {
            await Task.WhenAny(noting, Task.Delay(MostForEvent, scope.Time, cancellationToken));
            await giveUp.CancelAsync();
            await noting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The deadline that an agent is told which is requested at a time, in whole seconds: never before the time that it stands for.</summary>
    private DateTimeOffset? FindSoftDeadline(DateTimeOffset requestedAt)
    {
        if (!scope.Options.Managed || scope.Timeout <= ShortRun)
        {
            return null;
        }

        var deadline = requestedAt + scope.Timeout - scope.Options.StopGrace + DeadlineLead;
        return DateTimeOffset.FromUnixTimeSeconds((deadline.ToUnixTimeMilliseconds() + 999) / 1_000);
    }

    private Verdict OfAgent(ShimCommandStatus status)
    {
        var told = scope.Journal.Find(JournalStep.AgentRequested) is { } requested ? FindSoftDeadline(requested.At) - DeadlineLead : null;
        return OutcomeRules.OfAgent(status, scope.Reader.Report, scope.Timeout, scope.Options, told);
    }

    private static string Shorten(string version) => version[..Math.Min(version.Length, LongestVersion)];

    private void NoteAudit(IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string? version)
    {
        var line = AuditLine.Render(scope, arguments, environment, version);
        scope.Say("Audit: " + line);
        scope.Options.Audit?.Invoke(scope.Record, line);
    }

    private async Task<Verdict> FollowAgentAsync(CancellationToken cancellationToken)
    {
        var status = shim.Find(ShimPhase.Agent)!;
        if (shim.IsAlive)
        {
            status = await shim.FollowAsync(ShimPhase.Agent, scope.Timeout, stoppable: true, scope.Reader.Finished, cancellationToken);
        }

        if (scope.Owned.StopOrder == StopOrder.Fenced)
        {
            scope.NoteFenced();
        }

        return status.Ended ? OfAgent(status) : OfLostShim("It was killed while the agent ran.");
    }

    private static Verdict LeaseEnded => new(RunReason.HostLost, "The lease of the host ended before the agent was started.");

    private Verdict OfLostShim(string message) => shim.Find(ShimPhase.Agent) is { Ended: true } agent
        ? OfAgent(agent)
        : shim.GivenUp && scope.FindOrder() is { } order
        ? order with { Message = "The run was to be stopped and its supervisor did not answer; it was killed with all that it ran, so the exit code is not known." }
        : shim.OutOfTime && scope.Journal.Has(JournalStep.AgentRequested)
        ? new(RunReason.TaskTimeout, $"The time of the agent ({DurationText.Format(scope.Timeout)}) was over; its supervisor did not answer any more and was killed with all that it ran.")
        : new(RunReason.HostLost, $"The supervisor of the run is gone and the exit code is not known. {message}");
}
