using OzFunctions.Local;

namespace OzFunctions;

/// <summary>
/// The machine's clocks; its timestamps go on while the machine sleeps (<c>CLOCK_BOOTTIME</c>, clock_gettime(2)), as leases do that others count (protocol L2).
/// Outside Linux they are .NET's own.
/// </summary>
public sealed class BootTimeProvider : TimeProvider
{
    private const long Nanoseconds = 1_000_000_000;

    public override long TimestampFrequency => OperatingSystem.IsLinux() ? Nanoseconds : base.TimestampFrequency;

    public override unsafe long GetTimestamp()
    {
        if (!OperatingSystem.IsLinux())
        {
            return base.GetTimestamp();
        }

        var time = stackalloc long[2];

        // .NET's own has the same unit here; a sandbox may refuse the clock.
        return Libc.ClockGetTime(Libc.ClockSinceBoot, time) == 0 ? (time[0] * Nanoseconds) + time[1] : base.GetTimestamp();
    }
}
