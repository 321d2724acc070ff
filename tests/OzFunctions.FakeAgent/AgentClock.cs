using System.Globalization;
using System.Runtime.InteropServices;

namespace OzFunctions.FakeAgent;

/// <summary>Waiting, signals and the sandbox deadline, as the real driver has them (facts A5.16, A5.18).</summary>
internal sealed class AgentClock
{
    private readonly ManualResetEventSlim _stop = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly DateTimeOffset? _deadline;
    private int _interrupts;
    private int _terminations;

    public AgentClock()
    {
        if (long.TryParse(Environment.GetEnvironmentVariable("WARP_SANDBOX_DEADLINE"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            _deadline = DateTimeOffset.FromUnixTimeSeconds(seconds).AddMinutes(-5);
        }
    }

    public bool IgnoreInterrupt { get; set; }

    public bool IgnoreTerminate { get; set; }

    /// <summary>How long the shutdown takes after the first signal; a second one in that time ends at once.</summary>
    public TimeSpan Shutdown { get; set; }

    public bool HasDeadline => _deadline is not null;

    /// <summary>The driver is up: from here a signal means a clean end with exit code 0.</summary>
    public void StartDriver()
    {
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            if (IgnoreInterrupt)
            {
                return;
            }

            if (Interlocked.Increment(ref _interrupts) > 1)
            {
                Libc.ExitNow(130);
            }

            _stop.Set();
        }));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            if (IgnoreTerminate)
            {
                return;
            }

            if (Interlocked.Increment(ref _terminations) > 1)
            {
                Libc.DieBy(Libc.SigTerm);
            }

            _stop.Set();
        }));
    }

    /// <summary>Waits; a signal or the deadline ends the agent with 0 instead.</summary>
    public void Wait(TimeSpan? time)
    {
        var wait = time ?? Timeout.InfiniteTimeSpan;
        if (_deadline is { } deadline)
        {
            var left = deadline - TimeProvider.System.GetUtcNow();
            left = left < TimeSpan.Zero ? TimeSpan.Zero : left;
            if (time is null || left < time)
            {
                // A wait handle takes at most 2^31 ms; no test lives that long.
                _stop.Wait(left > TimeSpan.FromDays(20) ? TimeSpan.FromDays(20) : left);
                throw new AgentStop();
            }
        }

        if (_stop.Wait(wait))
        {
            throw new AgentStop();
        }
    }

    /// <summary>Ends the agent if it was told to stop meanwhile.</summary>
    public void Check()
    {
        if (_stop.IsSet)
        {
            throw new AgentStop();
        }
    }

    /// <summary>The end after a stop: recordings are finished, a second signal is the last.</summary>
    public void FinishShutdown()
    {
        if (Shutdown > TimeSpan.Zero)
        {
            Task.Delay(Shutdown, TimeProvider.System).GetAwaiter().GetResult();
        }
    }
}

/// <summary>The run was stopped from outside; the result is still Ok (facts A5.13).</summary>
internal sealed class AgentStop : Exception;
