namespace OzFunctions.Direct.Shims;

/// <summary>Connects to a shim however long it takes.</summary>
internal static class ShimAttachment
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Tries until the shim answers, or is gone (null), or the caller's patience ends. In between one that does not answer is told to go on, for it may have been stopped.
    /// </summary>
    /// <param name="unanswered">Told of each try that failed.</param>
    public static async Task<IShimSession?> AttachAsync(this IShims shims, string privateDirectory, Action<ShimException> unanswered, TimeProvider time, CancellationToken patience)
    {
        while (true)
        {
            try
            {
                return await shims.TryAttachAsync(privateDirectory, patience);
            }
            catch (ShimException exception) when (exception is not ShimLostException)
            {
                unanswered(exception);
                shims.Continue(privateDirectory, known: null);
                await Task.Delay(Pause, time, patience);
            }
        }
    }
}
