using OzFunctions.Backends;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>The attempt's shim: launches or finds it, keeps its lease, runs commands under it and passes orders to stop on.</summary>
internal sealed class AttemptShim(IShims shims, AttemptScope scope) : IAsyncDisposable
{
    private static readonly TimeSpan MostBetweenRenewals = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LeastBetweenRenewals = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan OwnStart = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MostForAnswer = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AnswerLook = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MostForStart = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan MostForEnd = TimeSpan.FromSeconds(30);
    private volatile Expectation? _expected;
    private CancellationTokenSource? _closing;
    private IShimSession? _session;
    private ShimStatus? _known;
    private ShimStatus? _identity;
    private Task _renewing = Task.CompletedTask;

    /// <summary>It did not answer when it was to stop what it ran, or past the time that it should have watched, and was killed.</summary>
    public bool GivenUp { get; private set; }

    /// <summary>It was given up because what it ran was past its time.</summary>
    public bool OutOfTime { get; private set; }

    /// <summary>Whether a shim lives and is connected.</summary>
    public bool IsAlive => _session is not null;

    /// <summary>What the shim said last; where it was never heard, what it left on disk; null when there never was one, or it cannot be understood.</summary>
    public ShimStatus? Status => _session?.Status ?? _known ?? ReadLeft();

    public ShimCommandStatus? Find(string phase) => Status?.Find(phase);

    /// <summary>Connects to the shim that an earlier host launched; one that is dead is cleaned up after.</summary>
    public async Task AttachAsync(CancellationToken cancellationToken)
    {
        _session = await TryAttachAsync(cancellationToken);
        if (_session is not null)
        {
            KeepLease();
        }
        else if ((Identity ?? (_identity = shims.Identify(scope.Places.Directory))) is not null)
        {
            await SweepAsync(cancellationToken);
        }
    }

    public async Task LaunchAsync(ShimCommand? teardown, CancellationToken cancellationToken)
    {
        scope.Journal.Append(JournalStep.ShimRequested, durable: false);
        _session = await shims.LaunchAsync(new ShimLaunch
        {
            PrivateDirectory = scope.Places.Directory,
            Lease = scope.Owned.LeaseLeft,
            Teardown = teardown,
            SpoolBytes = scope.Options.SpoolBytes,
            EndsWithHost = !scope.Options.Managed,
            Limits = scope.Options.Limits with { Measured = [scope.Workspace.Path, scope.Places.Temp, scope.Places.Artifacts, .. scope.Options.PrivateHome ? [scope.Places.Home] : Array.Empty<string>()] },
            User = scope.Options.User?.ToShim(),
        }, cancellationToken);
        if (shims.Shortcoming is { } shortcoming)
        {
            scope.Warn(shortcoming);
        }

        KeepLease();
    }

    public async Task<ShimCommandStatus> StartAsync(ShimCommand command, CancellationToken cancellationToken)
    {
        // An agent that stops its supervisor before that has answered gains no time either.
        _expected = command is { Phase: ShimPhase.Agent, Timeout: { } time } && time < MostForStart
            ? new(scope.Time.GetTimestamp(), time, IsTimeOfAgent: true)
            : new(scope.Time.GetTimestamp(), MostForStart);
        try
        {
            return await Session.StartAsync(command, cancellationToken);
        }
        catch (ShimLostException)
        {
            await SweepAsync(cancellationToken);
            throw;
        }
        finally
        {
            _expected = null;
        }
    }

    /// <summary>Follows a started phase to its end.</summary>
    /// <param name="phase">Started before.</param>
    /// <param name="within">The time that the shim gives it.</param>
    /// <param name="stoppable">Orders to stop reach it.</param>
    /// <param name="finished">It said that it is done.</param>
    /// <param name="cancellationToken">Ends the following, not the command.</param>
    public async Task<ShimCommandStatus> FollowAsync(string phase, TimeSpan within, bool stoppable, Task? finished, CancellationToken cancellationToken)
    {
        var session = Session;
        _expected = new(scope.Time.GetTimestamp(), within, IsTimeOfAgent: phase == ShimPhase.Agent && stoppable);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var following = scope.Log.FollowAsync(session, phase, over.Token);
        var watching = stoppable ? WatchAsync(session, finished, over.Token) : Task.CompletedTask;
        try
        {
            var status = await session.WaitAsync(phase, cancellationToken);

            // Nothing of it lives that could take them again.
            scope.Places.OpenUp();
            try
            {
                await following;
            }
            catch (IOException exception)
            {
                // How the command ended is known; a spool that cannot be read changes nothing about it.
                scope.Warn($"The output of the {phase} command could not be read to its end: {exception.Message}");
            }

            return status;
        }
        catch (ShimLostException)
        {
            await SweepAsync(cancellationToken);
            throw;
        }
        finally
        {
            await over.CancelAsync();
            await following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _expected = null;
        }
    }

    /// <summary>Reads again what an agent that is over wrote; without a living shim that was done when it was found dead.</summary>
    public async Task RereadAgentAsync(CancellationToken cancellationToken)
    {
        if (IsAlive && Find(ShimPhase.Agent) is not null)
        {
            try
            {
                await FollowAsync(ShimPhase.Agent, scope.Timeout, stoppable: false, finished: null, cancellationToken);
            }
            catch (ShimLostException)
            {
                // Its spool was read instead.
            }
        }
    }

    /// <summary>Waits a moment for a phase that the shim starts by itself when its lease is over; null: it did not.</summary>
    public async Task<ShimCommandStatus?> WaitForStartAsync(string phase, CancellationToken cancellationToken)
    {
        var began = scope.Time.GetTimestamp();
        while (Find(phase) is null && scope.Time.GetElapsedTime(began) < OwnStart)
        {
            await Task.Delay(LeastBetweenRenewals, scope.Time, cancellationToken);
        }

        return Find(phase);
    }

    /// <summary>
    /// Lets a living shim go as at the end of its lease: it stops what runs, runs once the teardown that it was launched with, where one is owed, and ends, whatever becomes of
    /// this host meanwhile. Answers that teardown; null: it ran none.
    /// </summary>
    public async Task<ShimCommandStatus?> LetGoAsync(CancellationToken cancellationToken)
    {
        var session = Session;
        _expected = new(scope.Time.GetTimestamp(), (2 * StopLadder.GraceOf(ShimStopCause.Lease, scope.Options.StopGrace)) + MostForEnd);
        try
        {
            await PatientlyAsync(patience => session.RenewAsync(TimeSpan.Zero, patience), atMost: null, cancellationToken);
        }
        catch (ShimException)
        {
            // It does so already, or was shot.
        }

        var end = session.WaitForEndAsync(cancellationToken);
        while (Find(ShimPhase.Teardown) is null && !end.IsCompleted)
        {
            await Task.WhenAny(end, Task.Delay(LeastBetweenRenewals, scope.Time, cancellationToken));
        }

        cancellationToken.ThrowIfCancellationRequested();
        _expected = null;
        return Find(ShimPhase.Teardown) is null
            ? null
            : await FollowAsync(ShimPhase.Teardown, scope.Options.TeardownTimeout, stoppable: false, finished: null, cancellationToken);
    }

    /// <summary>No more commands; harmless when no shim lives.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        if (_session is null)
        {
            return;
        }

        _expected = new(scope.Time.GetTimestamp(), TimeSpan.Zero);
        try
        {
            await _session.EndAsync(cancellationToken);
        }
        catch (ShimException)
        {
            // It ended by itself meanwhile, which is all that was asked for.
        }

        await CloseAsync();

        // The proof that the supervisor left nothing: after it nothing carries its mark.
        var left = await shims.SweepAsync(scope.Places.Directory, Status, cancellationToken);
        if (left > 0)
        {
            scope.Warn($"{left} process(es) of this attempt had outlived their supervisor and were ended.");
        }
    }

    public async ValueTask DisposeAsync() => await CloseAsync();

    /// <summary>By what its processes are found: what it said counts more than what lies where they can reach it.</summary>
    private ShimStatus? Identity => _session?.Status ?? _known ?? _identity ?? ReadLeft();

    private async Task<IShimSession?> TryAttachAsync(CancellationToken cancellationToken)
    {
        IShimSession? session = null;
        var (leaseLeft, timeLeft) = (scope.Owned.LeaseLeft, TimeOfAgentLeft());
        var lease = leaseLeft + LeewayFor(ShimStopCause.Lease);
        var time = timeLeft + LeewayFor(ShimStopCause.Timeout);
        await PatientlyAsync(
            async patience => session = await shims.AttachAsync(scope.Places.Directory, exception => scope.Warn(exception.Message), scope.Time, patience),
            time < lease ? time.Value : lease,
            cancellationToken);
        OutOfTime = GivenUp && timeLeft < leaseLeft;
        return session;
    }

    /// <summary>As far as the journal tells when the agent was started; null: it was not.</summary>
    private TimeSpan? TimeOfAgentLeft() => scope.Journal.Find(JournalStep.AgentRequested) is { At: var at } && at + scope.Timeout - scope.Time.GetUtcNow() is var left
        ? left > TimeSpan.Zero ? left : TimeSpan.Zero
        : null;

    /// <summary>Beyond what is asked of the shim: the time of its answer, and of the stop that follows.</summary>
    private TimeSpan LeewayFor(ShimStopCause cause) => MostForAnswer + (2 * StopLadder.GraceOf(cause, scope.Options.StopGrace));

    /// <summary>Why the shim is to stop what it runs, as far as it was ordered.</summary>
    private ShimStopCause Cause => scope.Owned.StopOrder switch
    {
        null => ShimStopCause.Finished,
        StopOrder.Cancel => ShimStopCause.Cancel,
        StopOrder.Shutdown => ShimStopCause.Shutdown,
        _ => ShimStopCause.Lease,
    };

    /// <summary>
    /// A shim that lives and does not answer may be frozen for a while: its agent is neither given up nor left behind. Where the run is to be stopped, it has as long as
    /// an answer and the stop would take at most; then it is killed.
    /// </summary>
    private async Task PatientlyAsync(Func<CancellationToken, Task> action, TimeSpan? atMost, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ending = EndPatienceAsync(patience, atMost ?? Timeout.InfiniteTimeSpan);
        try
        {
            await action(patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            GiveUp();
        }
        finally
        {
            await patience.CancelAsync();
            await ending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task EndPatienceAsync(CancellationTokenSource patience, TimeSpan atMost)
    {
        await Task.WhenAny(StopIsOverdueAsync(patience.Token), Task.Delay(atMost, scope.Time, patience.Token));
        patience.Token.ThrowIfCancellationRequested();
        await patience.CancelAsync();
    }

    private async Task StopIsOverdueAsync(CancellationToken cancellationToken)
    {
        await scope.Owned.StopOrdered.FiredAsync(cancellationToken);
        await Task.Delay(LeewayFor(Cause), scope.Time, cancellationToken);
    }

    private void GiveUp()
    {
        GivenUp = true;

        // Before it is dead: what the kernel tells of it goes with it.
        _identity = _session?.Status ?? _known ?? shims.Identify(scope.Places.Directory);
        shims.Kill(scope.Places.Directory, _identity);
    }

    /// <summary>A file that cannot be understood any more says as little as none; the run must end all the same.</summary>
    private ShimStatus? ReadLeft()
    {
        try
        {
            return shims.ReadStatus(scope.Places.Directory);
        }
        catch (ShimException exception)
        {
            scope.Warn(exception.Message);
            return null;
        }
    }

    private IShimSession Session => _session ?? throw new ShimLostException("The shim of this attempt is gone.");

    /// <summary>Ends what a dead shim left running, and reads what it left in its spool.</summary>
    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        await CloseAsync();
        try
        {
            var ended = await shims.SweepAsync(scope.Places.Directory, Identity, cancellationToken);
            if (ended > 0)
            {
                scope.Warn($"The shim of this attempt was killed; {ended} processes that it had left running were ended.");
            }
        }
        catch (ShimException exception)
        {
            // What became of the run is known all the same.
            scope.Warn(exception.Message);
        }

        await scope.Log.DrainAsync(cancellationToken);
    }

    private async Task CloseAsync()
    {
        if (_closing is { } closing)
        {
            _closing = null;
            await closing.CancelAsync();
            await _renewing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            closing.Dispose();
        }

        if (_session is { } session)
        {
            // Kept from the conversation: the file lies where a run of the same account could remove it.
            _known = session.Status;
            _session = null;
            await session.DisposeAsync();
        }
    }

    private void KeepLease()
    {
        _closing = new CancellationTokenSource();
        _renewing = RenewAsync(Session, _closing.Token);
    }

    private async Task RenewAsync(IShimSession session, CancellationToken cancellationToken)
    {
        while (true)
        {
            scope.Places.OpenUp();
            var left = scope.Owned.LeaseLeft;
            try
            {
                // Zero is not told: the shim knows its deadline and must not be hurried by a host that is merely late. Nor is one renewed that is over.
                var asked = left > TimeSpan.Zero && !session.Status.LeaseOver ? session.RenewAsync(left, cancellationToken) : session.PingAsync(cancellationToken);
                await AnsweredAsync(asked, left, cancellationToken);
            }
            catch (ShimException)
            {
                if (session.WaitForEndAsync(cancellationToken).IsCompleted)
                {
                    // Who waits for a command hears of it too.
                    return;
                }

                // Refused, for its lease is over: what it does now is watched all the same.
            }

            var next = left / 4;
            next = next > MostBetweenRenewals ? MostBetweenRenewals : next < LeastBetweenRenewals ? LeastBetweenRenewals : next;
            await Task.Delay(next, scope.Time, cancellationToken);
        }
    }

    /// <summary>
    /// Waits for an answer that comes at once from a shim that works. One that does not is told to go on: a run may have stopped its own (<c>kill -STOP $PPID</c>). Meanwhile
    /// nobody watches clocks, limits and lease, so it is killed with all that it runs once it should have ended that itself.
    /// </summary>
    private async Task AnsweredAsync(Task asked, TimeSpan lease, CancellationToken cancellationToken)
    {
        var since = scope.Time.GetTimestamp();
        while (!await IsAnsweredAsync(asked, cancellationToken))
        {
            cancellationToken.ThrowIfCancellationRequested();
            scope.Warn("The supervisor of the run did not answer for a while and was told to go on.");
            var isPast = _expected is { } expected && scope.Time.GetElapsedTime(expected.Since) > expected.Within + LeewayFor(Cause);
            if (isPast || scope.Time.GetElapsedTime(since) > lease + LeewayFor(ShimStopCause.Lease))
            {
                OutOfTime = isPast && _expected is { IsTimeOfAgent: true };
                GiveUp();
                break;
            }

            shims.Continue(scope.Places.Directory, Status);
        }

        await asked;
    }

    /// <summary>In short looks: a host that stood still itself for a while finds the time over and the answer not read yet.</summary>
    private async Task<bool> IsAnsweredAsync(Task asked, CancellationToken cancellationToken)
    {
        for (var waited = TimeSpan.Zero; waited < MostForAnswer && !asked.IsCompleted; waited += AnswerLook)
        {
            await Task.WhenAny(asked, Task.Delay(AnswerLook, scope.Time, cancellationToken));
            if (cancellationToken.IsCancellationRequested)
            {
                return false;
            }
        }

        return asked.IsCompleted;
    }

    private async Task WatchAsync(IShimSession session, Task? finished, CancellationToken cancellationToken)
    {
        var done = FinishAsync(finished, cancellationToken);
        await Task.WhenAny(scope.Owned.StopOrdered.FiredAsync(cancellationToken), done).WaitAsync(cancellationToken);
        var cause = Cause;

        // Said here too: a shim of an earlier version takes the grace as it is told.
        var grace = StopLadder.GraceOf(cause, scope.Options.StopGrace);
        try
        {
            await PatientlyAsync(patience => session.StopAsync(cause, grace, patience), atMost: null, cancellationToken);
            _expected = new(scope.Time.GetTimestamp(), (2 * grace) + MostForEnd);
            if (scope.Options.StopHard is { CanBeCanceled: true } hard)
            {
                await hard.FiredAsync(cancellationToken);
                await PatientlyAsync(patience => session.StopAsync(cause, TimeSpan.Zero, patience), atMost: null, cancellationToken);
            }
        }
        catch (ShimException)
        {
            // Who waits for the command hears of it too.
        }
    }

    private async Task FinishAsync(Task? finished, CancellationToken cancellationToken)
    {
        await (finished ?? Task.Delay(Timeout.InfiniteTimeSpan, scope.Time, cancellationToken)).WaitAsync(cancellationToken);
        await Task.Delay(scope.Options.FinishedGrace, scope.Time, cancellationToken);
    }

    /// <summary>What the shim should be done with.</summary>
    private sealed record Expectation(long Since, TimeSpan Within, bool IsTimeOfAgent = false);
}
