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
        if (RunRequestReader.Read(body) is not { IsValid: true, Request.IdempotencyKey: null } || FindFirstField(body.Span) is not { } at)
        {
            return body;
        }

        var field = Encoding.UTF8.GetBytes($"\"idempotency_key\":\"{JsonEncodedText.Encode(key)}\",");
        return (byte[])[.. body.Span[..at], .. field, .. body.Span[at..]];
    }

    /// <summary>Where the fields of a valid request begin, which always has one; null: they are in base64.</summary>
    private static int? FindFirstField(ReadOnlySpan<byte> body)
    {
        var mark = body.StartsWith("\uFEFF"u8) ? 3 : 0;
        var reader = new Utf8JsonReader(body[mark..]);
        int? plain = null;
        int? data = null;
        while (reader.Read())
        {
            plain ??= (int)reader.BytesConsumed;
            if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName)
            {
                continue;
            }

            if (reader.ValueTextEquals("specversion"u8))
            {
                plain = -1;
            }
            else if (reader.ValueTextEquals("data"u8))
            {
                reader.Read();
                data = (int)reader.BytesConsumed;
                reader.TrySkip();
            }
        }

        return (plain == -1 ? data : plain) + mark;
    }
}
