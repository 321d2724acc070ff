using OzFunctions.Hosts;

namespace OzFunctions.Testing;

/// <summary>What every <see cref="IHostLock"/> keeps to that has such a lock.</summary>
public abstract class HostLockContract
{
    protected ManualTimeProvider Clock { get; } = new();

    protected abstract IHostLock CreateLock();

    [Fact]
    public void A_host_holds_its_lock_until_it_ends()
    {
        var locks = CreateLock();
        var held = locks.Hold("h1");

        Assert.True(locks.Find("h1")?.Held);
        Assert.Throws<InvalidOperationException>(() => locks.Hold("h1"));
        held.Dispose();
        Assert.False(locks.Find("h1")?.Held);
    }

    [Fact]
    public void Nothing_is_said_of_a_host_without_a_lock() => Assert.Null(CreateLock().Find("nobody"));

    [Fact]
    public void Renewing_makes_it_young_again()
    {
        var locks = CreateLock();
        using var held = locks.Hold("h1");

        Clock.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal(TimeSpan.FromSeconds(40), locks.Find("h1")?.Age);
        Assert.True(held.Renew());
        Assert.Equal(TimeSpan.Zero, locks.Find("h1")?.Age);
        Clock.JumpWallClock(TimeSpan.FromHours(-1));
        Assert.Equal(TimeSpan.Zero, locks.Find("h1")?.Age);
    }

    [Fact]
    public void A_lock_let_go_cannot_be_renewed()
    {
        var locks = CreateLock();
        var held = locks.Hold("h1");
        held.Dispose();

        Assert.False(held.Renew());
    }

    [Fact]
    public void Only_the_dead_are_forgotten()
    {
        var locks = CreateLock();
        var held = locks.Hold("h1");
        locks.Forget("h1");
        Assert.True(locks.Find("h1")?.Held);

        held.Dispose();
        locks.Forget("h1");
        Assert.Null(locks.Find("h1"));
        locks.Forget("h1");
    }
}
