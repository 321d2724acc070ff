using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using OzFunctions.Requests;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>Reads the bodies of deliveries that are genuine: JSON and forms, in UTF-8, not compressed.</summary>
internal static class Body
{
    private const int Deepest = 64;
    private const int MostFields = 200;

    /// <summary>A JSON body; also one that says it is a form, as careless senders do, and is JSON.</summary>
    public static JsonElement ReadJson(WebhookArrival arrival) =>
        !IsForm(arrival) || LooksLikeJson(arrival.Body.Span) ? ParseJson(arrival, TypeOf(arrival)) : throw new WebhookBodyException("The delivery must be JSON (Content-Type: application/json)");

    /// <summary>JSON, or the fields of a form as one JSON object of texts.</summary>
    public static JsonElement ReadJsonOrForm(WebhookArrival arrival) =>
        IsForm(arrival) && !LooksLikeJson(arrival.Body.Span) ? ReadForm(arrival) : ParseJson(arrival, TypeOf(arrival));

    /// <summary>JSON, or a form whose field <c>payload</c> holds it; a form without one stays a form.</summary>
    public static JsonElement ReadPayload(WebhookArrival arrival)
    {
        var body = ReadJsonOrForm(arrival);
        return IsForm(arrival) && body.ValueKind == JsonValueKind.Object && body.TryGetProperty("payload", out var payload) && payload.ValueKind == JsonValueKind.String
            ? ParseJson(Encoding.UTF8.GetBytes(payload.GetString()!))
            : body;
    }

    public static bool IsForm(WebhookArrival arrival) => TypeOf(arrival) == "application/x-www-form-urlencoded";

    /// <summary>The media type without parameters, lower case; empty when none is given.</summary>
    public static string TypeOf(WebhookArrival arrival) => (arrival.Find("Content-Type") ?? "").Split(';')[0].Trim().ToLowerInvariant();

    public static JsonElement ParseJson(ReadOnlyMemory<byte> utf8)
    {
        if (JsonText.FindFault(utf8.Span, "delivery", Deepest) is { } fault)
        {
            throw new WebhookBodyException(fault);
        }

        using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = Deepest });
        return document.RootElement.Clone();
    }

    private static JsonElement ParseJson(WebhookArrival arrival, string type)
    {
        CheckEncoding(arrival);
        return type is "" or "application/json" or "application/x-www-form-urlencoded" || type.EndsWith("+json", StringComparison.Ordinal)
            ? ParseJson(arrival.Body)
            : throw new WebhookBodyException($"The delivery is {FaultValue.Shorten(type)}; JSON is expected (Content-Type: application/json)");
    }

    private static JsonElement ReadForm(WebhookArrival arrival)
    {
        CheckEncoding(arrival);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            var names = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (name, value) in Fields(arrival.Body.Span))
            {
                if (names.Count == MostFields)
                {
                    throw new WebhookBodyException(string.Create(CultureInfo.InvariantCulture, $"The form has more than {MostFields} fields"));
                }

                if (!names.Add(name))
                {
                    throw new WebhookBodyException("The form gives a field twice");
                }

                json.WriteString(name, value);
            }

            json.WriteEndObject();
        }

        using var document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }

    private static List<(string Name, string Value)> Fields(ReadOnlySpan<byte> form)
    {
        var fields = new List<(string, string)>();
        foreach (var range in form.Split((byte)'&'))
        {
            var field = form[range];
            if (field.Length > 0)
            {
                var equals = field.IndexOf((byte)'=');
                fields.Add(equals < 0 ? (Decode(field), "") : (Decode(field[..equals]), Decode(field[(equals + 1)..])));
            }
        }

        return fields;
    }

    private static string Decode(ReadOnlySpan<byte> encoded)
    {
        var bytes = new byte[encoded.Length];
        var length = 0;
        for (var i = 0; i < encoded.Length; i++)
        {
            bytes[length++] = encoded[i] switch
            {
                (byte)'+' => (byte)' ',
                (byte)'%' when i + 2 < encoded.Length && char.IsAsciiHexDigit((char)encoded[i + 1]) && char.IsAsciiHexDigit((char)encoded[i + 2]) =>
                    (byte)((Convert.ToInt32(((char)encoded[++i]).ToString(), 16) << 4) + Convert.ToInt32(((char)encoded[++i]).ToString(), 16)),
                (byte)'%' => throw new WebhookBodyException("The form holds a '%' that is followed by no two hex digits"),
                var other => other,
            };
        }

        var decoded = bytes.AsSpan(0, length);
        return Utf8.IsValid(decoded) ? Encoding.UTF8.GetString(decoded) : throw new WebhookBodyException("The form is not UTF-8");
    }

    private static void CheckEncoding(WebhookArrival arrival)
    {
        if (arrival.Find("Content-Encoding") is { } encoding && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            throw new WebhookBodyException("The delivery is compressed; send it as it is, without Content-Encoding");
        }

        foreach (var parameter in (arrival.Find("Content-Type") ?? "").Split(';').Skip(1).Select(parameter => parameter.Trim()))
        {
            if (parameter.StartsWith("charset=", StringComparison.OrdinalIgnoreCase) && !parameter[8..].Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            {
                throw new WebhookBodyException("The delivery must be UTF-8");
            }
        }
    }

    private static bool LooksLikeJson(ReadOnlySpan<byte> body)
    {
        var first = body.IndexOfAnyExcept(" \t\r\n"u8);
        return first >= 0 && body[first] is (byte)'{' or (byte)'[';
    }
}
