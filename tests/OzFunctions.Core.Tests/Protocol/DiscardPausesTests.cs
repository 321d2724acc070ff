using OzFunctions.Attempts;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

public sealed class DiscardPausesTests
{
    [Fact]
    public void What_cannot_be_removed_is_told_once_and_tried_less_and_less_often_at_last_every_hour()
    {
        var clock = new ManualTimeProvider();
        var pauses = new DiscardPauses(clock);
        Assert.True(pauses.IsDue("a"));
        Assert.True(pauses.Note("a"));

        foreach (var seconds in (int[])[5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600])
        {
            clock.Advance(TimeSpan.FromSeconds(seconds - 1));
            Assert.False(pauses.IsDue("a"));
            Assert.True(pauses.IsDue("b"));
            clock.Advance(TimeSpan.FromSeconds(1));
            Assert.True(pauses.IsDue("a"));
            Assert.False(pauses.Note("a"));
        }
    }

    [Fact]
    public void What_is_gone_is_forgotten()
    {
        var pauses = new DiscardPauses(new ManualTimeProvider());
        pauses.Note("a");

        Assert.True(pauses.TryForget("a"));

        Assert.False(pauses.TryForget("a"));
        Assert.True(pauses.IsDue("a"));
        Assert.True(pauses.Note("a"));
    }
}
