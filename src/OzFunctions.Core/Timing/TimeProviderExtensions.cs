namespace OzFunctions;

/// <summary>Waiting on a clock that tests can move, and its times as the store has them.</summary>
public static class TimeProviderExtensions
{
    /// <summary>Now, or so much later, in milliseconds, as on the wire: what is written reads back equal.</summary>
    internal static DateTimeOffset GetWireTime(this TimeProvider time, TimeSpan later = default) => DateTimeOffset.FromUnixTimeMilliseconds((time.GetUtcNow() + later).ToUnixTimeMilliseconds());

    /// <summary>Waits, but no longer than until <paramref name="wake"/> fires, which is no error; <paramref name="cancellationToken"/> is one.</summary>
    public static async Task DelayAsync(this TimeProvider time, TimeSpan delay, CancellationToken wake, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(wake, cancellationToken);
        try
        {
            await Task.Delay(delay, time, either.Token);
        }
        catch (OperationCanceledException) when (wake.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
        }
    }
}
