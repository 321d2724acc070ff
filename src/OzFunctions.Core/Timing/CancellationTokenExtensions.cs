namespace OzFunctions;

/// <summary>Waiting for a token that stands for a signal.</summary>
public static class CancellationTokenExtensions
{
    /// <summary>Waits until <paramref name="signal"/> fires, which is no error; <paramref name="cancellationToken"/> is one.</summary>
    public static async Task FiredAsync(this CancellationToken signal, CancellationToken cancellationToken)
    {
        // Asynchronously: whoever fires it must not find itself in the middle of what waits for it.
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = signal.Register(fired.SetResult);
        await fired.Task.WaitAsync(cancellationToken);
    }
}
