namespace OzFunctions.Events;

/// <summary>An event was not taken. The message says what the other end answered, in a sentence without secrets.</summary>
public sealed class EventDeliveryException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>HTTP status, or exit code of a command; null where there was no answer.</summary>
    public int? Status { get; init; }

    /// <summary>Not before this much time has passed, if the other end said so.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The other end will never take it (410 Gone): it is not tried again.</summary>
    public bool IsFinal { get; init; }
}
