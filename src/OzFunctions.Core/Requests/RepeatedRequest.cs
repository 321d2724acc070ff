namespace OzFunctions.Requests;

/// <summary>A finished run's request as a new one.</summary>
public static class RepeatedRequest
{
    /// <param name="workerId">The worker of the finished run, should the default have changed since.</param>
    public static RunRequest ToRepeat(this RunRequest request, string workerId, DateTimeOffset now) => request with
    {
        // Its key names the first run for ever, and times that have passed would end the repeat at once.
        IdempotencyKey = null,
        NotBefore = request.NotBefore > now ? request.NotBefore : null,
        ExpiresAt = request.ExpiresAt > now ? request.ExpiresAt : null,
        WorkerId = workerId,
    };
}
