namespace OzFunctions.Events;

/// <summary>How long to wait after each failed delivery.</summary>
/// <param name="delays">After the first failure, the second, …</param>
/// <param name="endless">The last delay repeats for ever; otherwise the failure after the last delay is the end.</param>
public sealed class RetryPlan(IReadOnlyList<TimeSpan> delays, bool endless)
{
    /// <summary>10 seconds, doubling up to an hour, for ever: for queues, which lose nothing and ask nobody.</summary>
    public static RetryPlan UntilTaken { get; } = new(
        [.. Enumerable.Range(0, 9).Select(n => TimeSpan.FromSeconds(10 * (1 << n))), TimeSpan.FromHours(1)], endless: true);

    /// <summary>The schedule of Standard Webhooks up to a day: at once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, and a last one after 6 h more.</summary>
    public static RetryPlan OneDay { get; } = new(
        [
            TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5), TimeSpan.FromHours(10),
            TimeSpan.FromHours(6),
        ],
        endless: false);

    /// <summary>The longest wait that an answer (<c>Retry-After</c>) may ask for.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromDays(1);

    /// <summary>The wait after so many failures (1 is the first); null: that was the last try.</summary>
    public TimeSpan? FindDelay(int failures) =>
        failures <= delays.Count ? delays[failures - 1] : endless ? delays[^1] : null;
}
