using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Blobs;
using OzFunctions.Json;

namespace OzFunctions.Webhooks.Deliveries;

/// <summary>
/// Which signed bodies came in, and under which id first: the defence against a recorded delivery that is sent again under another id, where the id is not signed.
/// Several hosts may ask at once; one of them is first.
/// </summary>
public sealed class SignedBodies(IBlobStore blobs, TimeProvider time)
{
    public const string Prefix = "bodies/";

    /// <summary>The longest time that a body is remembered.</summary>
    public static readonly TimeSpan MostWindow = DeliveryLog.Kept;

    /// <summary>Under so many other ids a body is noted: who sends a recorded one again and again fills no log.</summary>
    internal const int MostOthers = 20;

    /// <summary>Under which id this body came first within the window (that of one that is new is the id given), and when it came under this one.</summary>
    public async Task<FirstDelivery> FindFirstAsync(string webhook, ReadOnlyMemory<byte> body, string id, TimeSpan window, CancellationToken cancellationToken)
    {
        var name = $"{Prefix}{webhook}/{Convert.ToHexStringLower(SHA256.HashData(body.Span))}.json";
        var mine = new SignedBody(id, time.GetUtcNow());

        // Most bodies are new, so the first look is the write. A refusal of one's own write is found as one's own.
        while (await blobs.TryCreateAsync(name, Write(mine), null, cancellationToken) is null)
        {
            if (await blobs.FindAsync(name, cancellationToken) is not { } blob)
            {
                continue;
            }

            if (Read(blob) is { } there && time.GetUtcNow() - there.At < window)
            {
                return new(there.Id, there.Id == id ? there.At : await NoteAsync(name, there, blob.ETag, mine, cancellationToken));
            }

            if (await blobs.TryReplaceAsync(name, Write(mine), null, blob.ETag, cancellationToken) is not null)
            {
                break;
            }
        }

        return new(id, mine.At);
    }

    /// <summary>Forgets bodies that nobody brought for <see cref="MostWindow"/>; answers how many.</summary>
    public Task<int> SweepAsync(CancellationToken cancellationToken) => blobs.DeleteAllAsync(Prefix, entry => entry.Age > MostWindow, cancellationToken);

    /// <summary>When the body came first under this other id; null: it is not noted. One try: another at the same moment may win, and the log is for people.</summary>
    private async Task<DateTimeOffset?> NoteAsync(string name, SignedBody there, ETag etag, SignedBody mine, CancellationToken cancellationToken)
    {
        var others = there.Others ?? [];
        if (others.FirstOrDefault(other => other.Id == mine.Id) is { } known)
        {
            return known.At;
        }

        return others.Count < MostOthers && await blobs.TryReplaceAsync(name, Write(there with { Others = [.. others, mine] }), null, etag, cancellationToken) is not null ? mine.At : null;
    }

    private static byte[] Write(SignedBody body) => JsonSerializer.SerializeToUtf8Bytes(body, SignedBodyJson.Default.SignedBody);

    private static SignedBody? Read(Blob blob)
    {
        try
        {
            return JsonSerializer.Deserialize(blob.Content.Span, SignedBodyJson.Default.SignedBody);
        }
        catch (JsonException)
        {
            // Edited into nonsense: this body counts as new.
            return null;
        }
    }
}

/// <summary>How a body came in before.</summary>
/// <param name="Id">Under which it came first.</param>
/// <param name="At">When it came first under the id that was asked for; null: it came under too many others.</param>
public readonly record struct FirstDelivery(string Id, DateTimeOffset? At);

/// <summary>Content of <c>bodies/&lt;webhook&gt;/&lt;sha256 of the body&gt;.json</c>.</summary>
/// <param name="Others">Other ids under which it came later, each with its first time; null: none.</param>
internal sealed record SignedBody(string Id, DateTimeOffset At, IReadOnlyList<SignedBody>? Others = null);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(SignedBody))]
internal sealed partial class SignedBodyJson : JsonSerializerContext;
