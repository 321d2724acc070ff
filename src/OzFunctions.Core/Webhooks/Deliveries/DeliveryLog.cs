using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Blobs;
using OzFunctions.Runs;
using OzFunctions.Schedules;

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
    /// Notes a delivery. Of one with a run there is one entry for good, found by the time that names it, however often and wherever it comes in again.
    /// </summary>
    /// <param name="at">When its run was made, or where that is another delivery's, when it came first itself.</param>
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

    /// <summary>The newest entries, newest first; reads no more of them than it has to.</summary>
    /// <param name="webhook">Null: of all.</param>
    /// <param name="result">Null: whatever became of them.</param>
    public async Task<IReadOnlyList<WebhookDelivery>> FindNewestAsync(string? webhook, DeliveryResult? result, int most, CancellationToken cancellationToken)
    {
        var found = new List<WebhookDelivery>();
        await foreach (var name in ListNamesAsync(webhook, cancellationToken))
        {
            if (await blobs.FindAsync(name, cancellationToken) is { } blob && Read(blob) is { } delivery && (result is null || delivery.Result == result))
            {
                found.Add(delivery);
                if (found.Count == most)
                {
                    break;
                }
            }
        }

        return found;
    }

    /// <summary>The newest entry of a delivery; null when there is none (any more).</summary>
    public async Task<WebhookDelivery?> FindAsync(string webhook, string id, CancellationToken cancellationToken) =>
        ScheduleRules.FindNameFault(webhook) is null && await FindNameAsync(webhook, id, cancellationToken) is { } name && await blobs.FindAsync(name, cancellationToken) is { } blob ? Read(blob) : null;

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
    public Task<int> SweepAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var oldest = RunBlobs.Invert((now - Kept).ToUnixTimeMilliseconds());
        return blobs.DeleteAllAsync(
            Prefix, entry => Entry().Match(entry.Name) is { Success: true } match && string.CompareOrdinal(match.Groups["inv"].Value, oldest) > 0, cancellationToken);
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

    /// <summary>Newest first. One webhook's entries are listed so; those of all come webhook by webhook and are put in order by their names.</summary>
    private IAsyncEnumerable<string> ListNamesAsync(string? webhook, CancellationToken cancellationToken)
    {
        // Callers name it as they like, and a name is part of a path here.
        if (webhook is not null)
        {
            return ScheduleRules.FindNameFault(webhook) is null ? blobs.ListAllAsync(PrefixOf(webhook), cancellationToken).Select(entry => entry.Name) : AsyncEnumerable.Empty<string>();
        }

        return blobs.ListAllAsync(Prefix, cancellationToken)
            .Select(entry => Entry().Match(entry.Name))
            .Where(match => match.Success)
            .OrderBy(match => match.Groups["inv"].Value, StringComparer.Ordinal)
            .Select(match => match.Value);
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
