using System.Runtime.CompilerServices;
using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Events;

/// <summary>
/// What became of events on foreign ground, newest run first. For people: what is owed stands in the records' outbox, and nothing decides by this log.
/// </summary>
public sealed class EventDeliveryLog(IBlobStore blobs)
{
    public const string Prefix = "deliveries/out/";

    /// <summary>Longer than a person needs to notice; the events themselves stay in their records.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    private const int MostTries = 20;

    /// <summary>Named by the run's creation, so that every host finds the same entry.</summary>
    public static string NameOf(RunId runId, string eventId) => $"{Prefix}{RunBlobs.Invert(runId.Milliseconds)}-{eventId}.json";

    /// <summary>Notes how a try ended. Others may note their publishers at the same time.</summary>
    public async Task NoteAsync(RunEvent runEvent, PublisherDelivery delivery, CancellationToken cancellationToken)
    {
        var name = NameOf(runEvent.RunId, runEvent.Id);
        for (var tries = 0; tries < MostTries; tries++)
        {
            var blob = await blobs.FindAsync(name, cancellationToken);
            var there = blob is null ? null : TryRead(blob);
            var next = new EventDelivery
            {
                EventId = runEvent.Id,
                Type = runEvent.Type,
                RunId = runEvent.RunId,
                Publishers = [.. (there?.Publishers ?? []).Where(known => known.Publisher != delivery.Publisher), delivery],
            };
            var content = JsonSerializer.SerializeToUtf8Bytes(next, EventDeliveryJson.Wire.EventDelivery);
            if ((blob is null
                ? await blobs.TryCreateAsync(name, content, null, cancellationToken)
                : await blobs.TryReplaceAsync(name, content, null, blob.ETag, cancellationToken)) is not null)
            {
                return;
            }
        }
    }

    public async Task<EventDelivery?> FindAsync(RunId runId, string eventId, CancellationToken cancellationToken) =>
        await blobs.FindAsync(NameOf(runId, eventId), cancellationToken) is { } blob ? TryRead(blob) : null;

    public async IAsyncEnumerable<EventDelivery> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in blobs.ListAllAsync(Prefix, cancellationToken))
        {
            if (await blobs.FindAsync(entry.Name, cancellationToken) is { } blob && TryRead(blob) is { } delivery)
            {
                yield return delivery;
            }
        }
    }

    /// <summary>Deletes entries that nobody wrote for <see cref="Kept"/>; answers how many.</summary>
    public Task<int> SweepAsync(CancellationToken cancellationToken) => blobs.DeleteAllAsync(Prefix, entry => entry.Age > Kept, cancellationToken);

    private static EventDelivery? TryRead(Blob blob)
    {
        try
        {
            return JsonSerializer.Deserialize(blob.Content.Span, EventDeliveryJson.Wire.EventDelivery) is { Schema: <= EventDelivery.CurrentSchema } delivery ? delivery : null;
        }
        catch (JsonException)
        {
            // Edited into nonsense, or of a newer version: it is in nobody's way.
            return null;
        }
    }
}
