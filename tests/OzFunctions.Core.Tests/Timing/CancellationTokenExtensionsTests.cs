namespace OzFunctions.Core.Tests.Timing;

public sealed class CancellationTokenExtensionsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_fires_a_signal_does_not_run_what_waited_for_it()
    {
        using var signal = new CancellationTokenSource();
        var firing = new Thread(signal.Cancel);
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goesOn = Task.Run(
            async () =>
            {
                var fired = signal.Token.FiredAsync(Cancellation);
                waits.SetResult();
                await fired;
                return Environment.CurrentManagedThreadId;
            },
            Cancellation);
        await waits.Task;

        firing.Start();

        Assert.NotEqual(firing.ManagedThreadId, await goesOn);
    }

    [Fact]
    public async Task A_signal_that_has_fired_is_not_waited_for_and_one_that_has_not_can_be_given_up()
    {
        await new CancellationToken(canceled: true).FiredAsync(Cancellation);
        using var enough = new CancellationTokenSource();
        var waiting = CancellationToken.None.FiredAsync(enough.Token);

        await enough.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }
}
