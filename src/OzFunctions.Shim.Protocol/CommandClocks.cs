using System.Globalization;

namespace OzFunctions.Shim.Protocol;

/// <summary>The clocks of one command: its total time, its silence, and output that ended before its leader (design section 8.5). All times are those of the ladder's clock.</summary>
internal sealed class CommandClocks(ShimCommand command, StopLadder ladder, long startedAt)
{
    private long _outputEndedAt = -1;

    public long StartedAt { get; } = startedAt;

    public long LastOutputAt { get; private set; } = startedAt;

    public void NoteOutput(long now) => LastOutputAt = now;

    /// <summary>Both pipes are at their end; only the first time counts.</summary>
    public void NoteOutputEnd(long now) => _outputEndedAt = _outputEndedAt < 0 ? now : _outputEndedAt;

    /// <summary>Stops the command when its time is over; answers when to look again, at the latest <paramref name="due"/>.</summary>
    public long Check(long now, long due)
    {
        Check(StartedAt, command.Timeout, ShimStopCause.Timeout, "ran for {0} s");
        Check(LastOutputAt, _outputEndedAt < 0 ? command.SilenceTimeout : null, ShimStopCause.Silence, "no output for {0} s");
        Check(_outputEndedAt, _outputEndedAt < 0 ? null : command.FinishedGrace, ShimStopCause.Finished, "closed its output and did not exit for {0} s");
        return due;

        void Check(long since, TimeSpan? limit, ShimStopCause cause, string detail)
        {
            if (limit is not { } time || ladder.Cause is not null)
            {
                return;
            }

            var at = since + (long)time.TotalMilliseconds;
            if (now >= at)
            {
                var seconds = time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
                ladder.Stop(cause, command.StopGrace, string.Format(CultureInfo.InvariantCulture, detail, seconds));
            }

            due = Math.Min(due, at);
        }
    }
}
