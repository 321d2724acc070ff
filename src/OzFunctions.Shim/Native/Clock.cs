namespace OzFunctions.Shim.Native;

/// <summary>Milliseconds of two clocks that nobody can set.</summary>
internal static unsafe class Clock
{
    /// <summary>Stands still while the machine sleeps: for what a command may use up.</summary>
    public static long Monotonic => Get(1);

    /// <summary>Goes on while the machine sleeps: for the lease, which others count down meanwhile.</summary>
    public static long SinceBoot => Get(7);

    private static long Get(int clock)
    {
        var time = stackalloc long[2];
        _ = Libc.ClockGetTime(clock, time);
        return (time[0] * 1000) + (time[1] / 1_000_000);
    }
}
