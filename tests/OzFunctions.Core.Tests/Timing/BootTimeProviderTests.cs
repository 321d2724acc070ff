using System.Globalization;

namespace OzFunctions.Core.Tests.Timing;

public sealed class BootTimeProviderTests
{
    /// <summary><c>/proc/uptime</c> is CLOCK_BOOTTIME, cut to hundredths (proc_uptime(5)).</summary>
    [Fact]
    public void A_timestamp_is_the_time_since_the_boot_sleep_included()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has the clock.");
        var time = new BootTimeProvider();

        var before = Uptime();
        var now = (double)time.GetTimestamp() / time.TimestampFrequency;
        var after = Uptime();

        Assert.SkipWhen(Math.Abs(now - before) > 60, "/proc/uptime is a container's own here.");
        Assert.InRange(now, before, after + 0.01);
        Assert.InRange(time.GetElapsedTime(time.GetTimestamp()), TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    private static double Uptime() => double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);
}
