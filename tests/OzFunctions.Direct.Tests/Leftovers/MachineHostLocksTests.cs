using OzFunctions.Direct.Leftovers;
using OzFunctions.Hosts;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests.Leftovers;

public sealed class MachineHostLocksTests : HostLockContract, IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void Locks_of_hosts_that_are_long_dead_go_and_those_of_the_living_stay()
    {
        var locks = (MachineHostLocks)CreateLock();
        using var living = locks.Hold("living");
        locks.Hold("dead").Dispose();

        locks.Sweep();
        Assert.False(locks.Find("dead")!.Value.Held);
        Clock.Advance(MachineHostLocks.KeptFor + TimeSpan.FromMinutes(1));
        locks.Sweep();

        Assert.Null(locks.Find("dead"));
        Assert.True(locks.Find("living")!.Value.Held);
    }

    protected override IHostLock CreateLock() => new MachineHostLocks(new DirectOptions { WorkspaceRoot = _temp["root"] }, Clock);
}
