using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>ADR 0021: who may take a silent host for lost.</summary>
public sealed class HostWatchTests
{
    private const string Silent = "h-silent";

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public void Who_has_just_begun_to_tick_gives_others_time_to_beat()
    {
        var watch = new HostWatch(_clock, World.Lease);

        AssertGivesTimeToBeat(watch);
    }

    [Fact]
    public void Who_ticks_once_judges_by_what_it_sees()
    {
        var watch = new HostWatch(_clock, World.Lease) { AtOnce = true };

        watch.NoteLook();

        Assert.True(watch.MayJudge(Silent));
    }

    [Fact]
    public void Who_could_not_look_for_the_length_of_the_lease_gives_others_time_to_beat()
    {
        var watch = Settled();
        _clock.Advance(World.Lease + Second);

        AssertGivesTimeToBeat(watch);
    }

    [Fact]
    public void Who_missed_a_few_looks_judges_on()
    {
        var watch = Settled();

        Look(watch, World.Lease);

        Assert.True(watch.MayJudge(Silent));
    }

    [Fact]
    public void Time_does_not_count_while_the_own_heartbeat_is_away()
    {
        var reaches = true;
        var watch = Settled(() => reaches);
        reaches = false;
        for (var passed = TimeSpan.Zero; passed <= World.Lease + HostWatch.Grace; passed += HostWatch.Grace)
        {
            Look(watch, HostWatch.Grace);
        }

        Assert.False(watch.MayJudge(Silent));
        reaches = true;
        watch.NoteLook();
        Assert.False(watch.MayJudge(Silent));
        Look(watch, HostWatch.Grace - Second);
        reaches = false;
        Look(watch, Second);
        reaches = true;
        watch.NoteLook();
        Assert.False(watch.MayJudge(Silent));

        Look(watch, HostWatch.Grace);
        Assert.True(watch.MayJudge(Silent));
    }

    [Fact]
    public void A_host_never_judges_itself()
    {
        var watch = new HostWatch(_clock, World.Lease) { Self = () => "h-self" };
        watch.NoteLook();
        Look(watch, HostWatch.Grace);

        Assert.True(watch.MayJudge(Silent));
        Assert.False(watch.MayJudge("h-self"));
    }

    private void AssertGivesTimeToBeat(HostWatch watch)
    {
        Assert.False(watch.MayJudge(Silent));

        watch.NoteLook();
        Look(watch, HostWatch.Grace - Second);
        Assert.False(watch.MayJudge(Silent));

        Look(watch, Second);
        Assert.True(watch.MayJudge(Silent));
    }

    private HostWatch Settled(Func<bool>? reaches = null)
    {
        var watch = new HostWatch(_clock, World.Lease) { Reaches = reaches ?? (() => true) };
        watch.NoteLook();
        Look(watch, HostWatch.Grace);
        Assert.True(watch.MayJudge(Silent));
        return watch;
    }

    private void Look(HostWatch watch, TimeSpan after)
    {
        _clock.Advance(after);
        watch.NoteLook();
    }
}
