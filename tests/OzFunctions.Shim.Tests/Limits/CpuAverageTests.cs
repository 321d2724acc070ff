using OzFunctions.Shim.Limits;

namespace OzFunctions.Shim.Tests.Limits;

public sealed class CpuAverageTests
{
    [Fact]
    public void Before_a_window_is_over_nothing_is_said()
    {
        var average = new CpuAverage(2_000);

        Assert.Null(average.Add(100, 0));
        Assert.Null(average.Add(2_099, 2));
        Assert.Equal((1.5, 2_000), average.Add(2_100, 3));
    }

    [Fact]
    public void Only_the_last_window_counts()
    {
        var average = new CpuAverage(1_000);
        for (var at = 0; at <= 5_000; at += 250)
        {
            _ = average.Add(at, 4.0 * at / 1000);
        }

        Assert.Equal((4, 1_000), average.Add(5_000, 20));
        _ = average.Add(5_500, 20);
        Assert.Equal((0, 1_000), average.Add(6_000, 20));
    }

    [Fact]
    public void Looks_further_apart_than_the_window_are_averaged_over_their_distance()
    {
        var average = new CpuAverage(2_000);
        Assert.Null(average.Add(0, 0));

        Assert.Equal((1, 2_400), average.Add(2_400, 2.4));
        Assert.Equal((0.5, 10_000), average.Add(12_400, 7.4));
    }
}
