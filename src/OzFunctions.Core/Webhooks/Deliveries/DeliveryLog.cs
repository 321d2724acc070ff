using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Webhooks.Deliveries;

/// <summary>
/// What came in through webhooks and what became of it, newest first. It is a log, not the defence against repeats: that is the idempotency key, which stands
/// before the run does.
/// </summary>
public sealed partial class DeliveryLog(IBlobStore blobs)
{
    public const string Prefix = "deliveries/in/";

    /// <summary>Longer than any sender tries again (GitHub 3 days by hand, Standard Webhooks about 3, Event Grid 1).</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(14);

    /// <summary>
    /// Notes a delivery. Of one with a run there is one entry for good, found by the run's own creation time, however often and wherever it comes in again.
    /// </summary>
    public async Task AddAsync(WebhookDelivery delivery, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var name = NameOf(delivery.Webhook, delivery.Id, at);
        await blobs.TryCreateAsync(name, Write(delivery), null, cancellationToken);
    }

    /// <summary>Counts a repeat. One try: another repeat at the same moment may win, and the count is for people.</summary>
    public async Task NoteRepeatAsync(WebhookDelivery delivery, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var name = NameOf(delivery.Webhook, delivery.Id, at);
        if (await blobs.FindAsync(name, cancellationToken) is not { } blob)
        {
            // Whoever took it in first died before its entry was written.
            await blobs.TryCreateAsync(name, Write(delivery), null, cancellationToken);
        }
        else if (Read(blob) is { } there)
        {
            await blobs.TryReplaceAsync(name, Write(there with { Repeats = there.Repeats + 1 }), null, blob.ETag, cancellationToken);
        }
    }

    /// <summary>Entries of one webhook newest first, or of all, webhook by webhook.</summary>
    public async IAsyncEnumerable<WebhookDelivery> ListAsync(string? webhook, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in blobs.ListAllAsync(PrefixOf(webhook), cancellationToken))
        {
            if (await blobs.FindAsync(entry.Name, cancellationToken) is { } blob && Read(blob) is { } delivery)
            {
                yield return delivery;
            }
        }
    }

    /// <summary>The newest entry of a delivery; null when there is none (any more).</summary>
    public async Task<WebhookDelivery?> FindAsync(string webhook, string id, CancellationToken cancellationToken) =>
        await FindNameAsync(webhook, id, cancellationToken) is { } name && await blobs.FindAsync(name, cancellationToken) is { } blob ? Read(blob) : null;

    /// <summary>Notes in the newest entry of a delivery that a person made a run of it.</summary>
    public async Task NoteRedeliveryAsync(string webhook, string id, RunId runId, CancellationToken cancellationToken)
    {
        while (await FindNameAsync(webhook, id, cancellationToken) is { } name
            && await blobs.FindAsync(name, cancellationToken) is { } blob && Read(blob) is { } there)
        {
            var noted = there with { RedeliveredAs = [.. there.RedeliveredAs ?? [], runId] };
            if (await blobs.TryReplaceAsync(name, Write(noted), null, blob.ETag, cancellationToken) is not null)
            {
                return;
            }
        }
    }

    /// <summary>Deletes entries older than <see cref="Kept"/>; answers how many.</summary>
    public async Task<int> SweepAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var oldest = RunBlobs.Invert((now - Kept).ToUnixTimeMilliseconds());
        var deleted = 0;
        await foreach (var entry in blobs.ListAllAsync(Prefix, cancellationToken))
        {
            if (Entry().Match(entry.Name) is { Success: true } match && string.CompareOrdinal(match.Groups["inv"].Value, oldest) > 0
                && await blobs.TryDeleteAsync(entry.Name, entry.ETag, cancellationToken))
            {
                deleted++;
            }
        }

        return deleted;
    }

    private static string NameOf(string webhook, string id, DateTimeOffset at) =>
        $"{PrefixOf(webhook)}{RunBlobs.Invert(at.ToUnixTimeMilliseconds())}-{SafeId(id)}.json";

    private static string PrefixOf(string? webhook) => webhook is null ? Prefix : $"{Prefix}{webhook}/";

    /// <summary>Ids are the sender's: what cannot stand in a name is hashed.</summary>
    private static string SafeId(string id) => Safe().IsMatch(id) ? id : "h" + RunBlobs.Hash(id)[..32];

    private static byte[] Write(WebhookDelivery delivery) => JsonSerializer.SerializeToUtf8Bytes(delivery, DeliveryJson.Wire.WebhookDelivery);

    private static WebhookDelivery? Read(Blob blob)
    {
        try
        {
            return JsonSerializer.Deserialize(blob.Content.Span, DeliveryJson.Wire.WebhookDelivery) is { Schema: <= WebhookDelivery.CurrentSchema } delivery ? delivery : null;
        }
        catch (JsonException)
        {
            // Edited into nonsense, or of a newer version: it is in nobody's way.
            return null;
        }
    }

    private async Task<string?> FindNameAsync(string webhook, string id, CancellationToken cancellationToken)
    {
        var end = string.Create(CultureInfo.InvariantCulture, $"-{SafeId(id)}.json");
        await foreach (var entry in blobs.ListAllAsync(PrefixOf(webhook), cancellationToken))
        {
            if (entry.Name.EndsWith(end, StringComparison.Ordinal) && entry.Name.Length == PrefixOf(webhook).Length + 13 + end.Length)
            {
                return entry.Name;
            }
        }

        return null;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")]
    private static partial Regex Safe();

    [GeneratedRegex(@"\Adeliveries/in/[a-z0-9-]+/(?<inv>[0-9]{13})-[^/]+\.json\z")]
    private static partial Regex Entry();
}
