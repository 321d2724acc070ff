using System.Text;
using System.Text.Json;
using OzFunctions.Requests;

namespace OzFunctions.Queues;

/// <summary>Sends run requests so that each starts one run, also where the queue may double a message.</summary>
public static class RequestSending
{
    /// <summary>Sends; answers the message's id. Where a message may be doubled, a request without an idempotency key gets one, written before its first field.</summary>
    public static Task<string> SendRequestAsync(this IRequestQueue queue, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        queue.SendAsync(queue.MayDouble ? WithKey(body, "sent-" + Guid.NewGuid().ToString("N")) : body, cancellationToken);

    /// <summary>
    /// Puts a dead letter's message back; answers the new message's id. Its key follows from the letter: who is killed before the letter is removed, and puts it back
    /// again, starts no second run.
    /// </summary>
    public static Task<string> RequeueAsync(this IRequestQueue queue, string letterId, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        queue.SendAsync(WithKey(body, "requeued-" + letterId), cancellationToken);

    /// <summary>What is no request, or has a key, stays as it is.</summary>
    public static ReadOnlyMemory<byte> WithKey(ReadOnlyMemory<byte> body, string key)
    {
        return RunRequestReader.Read(body) is { IsValid: true, Request.IdempotencyKey: null }
            ? Insert(body.Span, Encoding.UTF8.GetBytes($"\"idempotency_key\":\"{JsonEncodedText.Encode(key)}\","))
            : body;
    }

    /// <summary>Puts a field before the first of a valid request, which always has one: its own, those of an envelope's <c>data</c>, or those in its <c>data_base64</c>.</summary>
    private static byte[] Insert(ReadOnlySpan<byte> body, ReadOnlySpan<byte> field)
    {
        var mark = body.StartsWith("\uFEFF"u8) ? 3 : 0;
        var reader = new Utf8JsonReader(body[mark..]);
        var isEnvelope = false;
        int? plain = null;
        int? data = null;
        (byte[] Inside, Range At)? encoded = null;
        while (reader.Read())
        {
            plain ??= (int)reader.BytesConsumed;
            if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName)
            {
                continue;
            }

            if (reader.ValueTextEquals("specversion"u8))
            {
                isEnvelope = true;
            }
            else if (reader.ValueTextEquals("data"u8))
            {
                reader.Read();
                data = (int)reader.BytesConsumed;
                reader.TrySkip();
            }
            else if (reader.ValueTextEquals("data_base64"u8))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.String && reader.TryGetBytesFromBase64(out var inside))
                {
                    encoded = (inside, ((int)reader.TokenStartIndex + 1 + mark)..((int)reader.BytesConsumed - 1 + mark));
                }
            }
        }

        if (isEnvelope && data is null && encoded is { Inside: var request, At: var range })
        {
            return [.. body[..range.Start.Value], .. Encoding.ASCII.GetBytes(Convert.ToBase64String(Insert(request, field))), .. body[range.End.Value..]];
        }

        var at = (isEnvelope ? data : plain)!.Value + mark;
        return [.. body[..at], .. field, .. body[at..]];
    }
}
