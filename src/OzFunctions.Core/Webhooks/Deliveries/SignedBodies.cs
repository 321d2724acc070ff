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

    /// <summary>The id under which this body came first within the window; of one that is new, the id given.</summary>
    public async Task<string> FindFirstAsync(string webhook, ReadOnlyMemory<byte> body, string id, TimeSpan window, CancellationToken cancellationToken)
    {
        var name = $"{Prefix}{webhook}/{Convert.ToHexStringLower(SHA256.HashData(body.Span))}.json";
        var mine = JsonSerializer.SerializeToUtf8Bytes(new SignedBody(id, time.GetUtcNow()), SignedBodyJson.Default.SignedBody);

        // Most bodies are new, so the first look is the write. A refusal of one's own write is found as one's own.
        while (await blobs.TryCreateAsync(name, mine, null, cancellationToken) is null)
        {
            if (await blobs.FindAsync(name, cancellationToken) is not { } blob)
            {
                continue;
            }

            if (Read(blob) is { } there && time.GetUtcNow() - there.At < window)
            {
                return there.Id;
            }

            if (await blobs.TryReplaceAsync(name, mine, null, blob.ETag, cancellationToken) is not null)
            {
                return id;
            }
        }

        return id;
    }

    /// <summary>Forgets bodies that nobody brought for <see cref="MostWindow"/>; answers how many.</summary>
    public Task<int> SweepAsync(CancellationToken cancellationToken) => blobs.DeleteAllAsync(Prefix, entry => entry.Age > MostWindow, cancellationToken);

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

/// <summary>Content of <c>bodies/&lt;webhook&gt;/&lt;sha256 of the body&gt;.json</c>.</summary>
internal sealed record SignedBody(string Id, DateTimeOffset At);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(SignedBody))]
internal sealed partial class SignedBodyJson : JsonSerializerContext;
