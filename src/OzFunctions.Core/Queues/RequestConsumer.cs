using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Runs;
using OzFunctions.Webhooks;

namespace OzFunctions.Queues;

/// <summary>
/// Takes run requests from a queue into intake: accepted or known → completed; bad → a dead letter, then completed; trouble of ours → given back. What finds its worker full is given
/// back too, and comes back slowly, so that requests of others get their turn.
/// </summary>
public sealed partial class RequestConsumer(IRequestQueue queue, MessageIntake messages, TimeProvider time, ILogger<RequestConsumer> logger)
{
    /// <summary>So many that others gave up are looked after in a row; then requests get their turn.</summary>
    private const int MostBuried = 20;

    private static readonly TimeSpan Visibility = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>Longer than the pause: one that the store fails on again and again is not to come before the others each time.</summary>
    private static readonly TimeSpan HiddenFor = 2 * Pause;
    private static readonly TimeSpan GivenUpEvery = TimeSpan.FromMinutes(1);

    private readonly ReturnTimes _returns = new(time);
    private readonly RefusalLog _refusals = new(time);
    private readonly MessageFaults _faults = new();

    // Of this object, not of one call: a message that cannot be buried must not come before the good ones each time that its host begins anew.
    private long? _looked;

    // The store refused the last one.
    private bool _refused;

    /// <summary>Consumes until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var more = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (more || _looked is not { } last || time.GetElapsedTime(last) >= GivenUpEvery)
                {
                    more = false;
                    _looked = time.GetTimestamp();
                    more = await BuryGivenUpAsync(cancellationToken);
                }

                if (await TakeOneAsync(more ? TimeSpan.Zero : Wait, cancellationToken) == Taking.StoreAway)
                {
                    await Task.Delay(Pause, time, cancellationToken);
                }
            }
            catch (BlobStoreException ex)
            {
                NotConsumed(queue.Name, ex);
                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }

    /// <summary>Takes one message, waiting for it up to <paramref name="wait"/>. False: none came.</summary>
    public async Task<bool> ConsumeOneAsync(TimeSpan wait, CancellationToken cancellationToken) => await TakeOneAsync(wait, cancellationToken) != Taking.Nothing;

    private async Task<Taking> TakeOneAsync(TimeSpan wait, CancellationToken cancellationToken)
    {
        if (await queue.ReceiveAsync(Visibility, wait, cancellationToken) is not { } message)
        {
            return Taking.Nothing;
        }

        var looked = time.GetTimestamp();
        try
        {
            await TakeInAsync(message, cancellationToken);
            _refused = false;
        }
        catch (QueueFullException ex)
        {
            // Never the message's fault, however often it comes back.
            if (_refusals.MaySay(queue.Name, ex.Message, out var unsaid))
            {
                NoRoom(queue.Name, ex.Message, unsaid);
            }

            _faults.NoteGivenBack(message.MessageId);
            await queue.AbandonAsync(message, _returns.Next(looked, isFirst: message.DeliveryCount <= 1), cancellationToken);
            return Taking.One;
        }
        catch (BlobStoreException ex)
        {
            // Nor is an outage.
            if (_refusals.MaySay(queue.Name, ex.Message, out var unsaid))
            {
                StoreAway(queue.Name, ex.Message, unsaid);
            }

            _faults.NoteGivenBack(message.MessageId);

            // What the store refuses for good may be this message's alone: the next one tells. It comes back more and more slowly, so that others get their turn.
            var pause = MessageIntake.PauseBefore(message.DeliveryCount);
            await queue.AbandonAsync(message, ex.IsTransient || pause < HiddenFor ? HiddenFor : pause, cancellationToken);
            var first = !_refused;
            _refused = true;
            return ex.IsTransient || !first ? Taking.StoreAway : Taking.One;
        }
        catch (Exception ex) when (!cancellationToken.IsCancellationRequested)
        {
            if (!_faults.AreTooMany(message))
            {
                Returned(queue.Name, message.MessageId, ex);
                await queue.AbandonAsync(message, Pause, cancellationToken);
                return Taking.One;
            }

            await messages.BuryAsync(
                queue.Name,
                message.MessageId,
                message.Body,
                "delivered_too_often",
                $"The message was delivered {message.DeliveryCount} times and could not be taken in: {ex.Message}",
                [],
                message.DeliveryCount,
                cancellationToken);
        }

        await queue.CompleteAsync(message, cancellationToken);
        _faults.Forget(message.MessageId);
        return Taking.One;
    }

    /// <summary>What other readers gave up becomes dead letters, of which a person can send it again. True: more may lie there.</summary>
    public async Task<bool> BuryGivenUpAsync(CancellationToken cancellationToken)
    {
        if (queue.GivenUp is not { } place)
        {
            return false;
        }

        // Listed once a visit, and only where there is something: there may be a flood of letters.
        HashSet<string>? known = null;
        for (var buried = 0; buried < MostBuried; buried++)
        {
            if (await place.ReceiveAsync(Visibility, TimeSpan.Zero, cancellationToken) is not { } message)
            {
                return false;
            }

            known ??= await messages.FindBuriedAsync(cancellationToken);
            await messages.BuryGivenUpAsync(
                queue.Name,
                message.MessageId,
                message.Body,
                reason: null,
                $"The message stood on {place.Name}: another reader of {queue.Name} failed on it again and again.",
                message.DeliveryCount,
                cancellationToken,
                known);
            await place.CompleteAsync(message, cancellationToken);
        }

        return true;
    }

    private async Task TakeInAsync(QueuedMessage message, CancellationToken cancellationToken)
    {
        var verdict = await messages.TakeAsync(queue.Name, message.MessageId, message.Body, traceparent: null, cancellationToken);
        if (verdict.Answer is { } answer)
        {
            TakenIn(answer.Run.RunId, queue.Name, message.MessageId, answer.Created);
        }
        else
        {
            await messages.BuryAsync(
                queue.Name, message.MessageId, message.Body, MessageIntake.InvalidRequest, MessageIntake.Describe(verdict.Faults), verdict.Faults, message.DeliveryCount, cancellationToken);
        }
    }

    [LoggerMessage(LogLevel.Information, "Run {RunId} taken in from {Queue}, message {MessageId} (new: {Created})")]
    private partial void TakenIn(RunId runId, string queue, string messageId, bool created);

    [LoggerMessage(LogLevel.Warning, "Message {MessageId} of {Queue} was given back")]
    private partial void Returned(string queue, string messageId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "A message of {Queue} was given back, the store does not take it now: {Problem} (and {Unsaid} more like it since the last line)")]
    private partial void StoreAway(string queue, string problem, int unsaid);

    [LoggerMessage(LogLevel.Warning, "A message of {Queue} waits there for room: {Problem} (and {Unsaid} more like it since the last line)")]
    private partial void NoRoom(string queue, string problem, int unsaid);

    [LoggerMessage(LogLevel.Warning, "Queue {Queue} could not be read")]
    private partial void NotConsumed(string queue, Exception exception);

    private enum Taking
    {
        Nothing,
        One,

        /// <summary>It was given back.</summary>
        StoreAway,
    }
}
