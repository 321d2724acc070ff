namespace OzFunctions.Queues;

/// <summary>
/// How often this process failed on a message by a fault that nobody foresaw. The queue's own count is of no use alone: it also grows when a message is given back for want of room
/// or because the store is away, here and in other processes, which is never the message's fault.
/// </summary>
internal sealed class MessageFaults
{
    private const int Most = 5;

    /// <summary>Processes that end after a fault or two count anew each time. This often no message comes without being the cause.</summary>
    private const int MostDeliveries = 100;

    /// <summary>Forgetting them costs a message that breaks intake a few deliveries more.</summary>
    private const int MostKept = 10_000;

    private readonly Dictionary<string, (int Faults, bool WasGivenBack)> _known = new(StringComparer.Ordinal);

    /// <summary>The message was given back through no fault of its own.</summary>
    public void NoteGivenBack(string messageId) => Set(messageId, (Find(messageId).Faults, true));

    /// <summary>Notes one more fault. True: no further try is worth it.</summary>
    public bool AreTooMany(QueuedMessage message)
    {
        var (faults, wasGivenBack) = Find(message.MessageId);
        Set(message.MessageId, (++faults, wasGivenBack));

        // A message that was never given back has had a fault at each delivery, in whichever process; one that came more often had not, or would have been buried.
        return faults >= Most || (!wasGivenBack && message.DeliveryCount is Most or >= MostDeliveries);
    }

    /// <summary>The message will not come back.</summary>
    public void Forget(string messageId) => _known.Remove(messageId);

    private (int Faults, bool WasGivenBack) Find(string messageId) => _known.GetValueOrDefault(messageId);

    private void Set(string messageId, (int Faults, bool WasGivenBack) seen)
    {
        if (_known.Count >= MostKept)
        {
            _known.Clear();
        }

        _known[messageId] = seen;
    }
}
