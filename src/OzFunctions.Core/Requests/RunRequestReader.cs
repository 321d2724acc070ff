using System.Globalization;
using System.Text.Json;
using OzFunctions.Telemetry;

namespace OzFunctions.Requests;

/// <summary>Reads a run request from JSON, plain or as the <c>data</c> of a CloudEvent 1.0, and answers every fault at once.</summary>
public static class RunRequestReader
{
    /// <summary>Most bytes of one message. Default: 1 MiB.</summary>
    public const int MostBytes = 1 << 20;

    /// <summary>Deepest nesting of one message; a request needs three levels, an envelope one more.</summary>
    public const int Deepest = 16;

    private const string Example = "; a JSON object is expected, as in {\"prompt\":\"…\"}";

    private static ReadOnlySpan<byte> ByteOrderMark => [0xef, 0xbb, 0xbf];

    public static CheckedRequest Read(ReadOnlyMemory<byte> utf8, int mostBytes = MostBytes)
    {
        var faults = new FaultList();
        if (utf8.Length > mostBytes)
        {
            faults.Add("", $"{utf8.Length} bytes", string.Create(CultureInfo.InvariantCulture, $"the message is too large: at most {mostBytes} bytes are allowed; put long texts into a file of the repository"));

            // A little too large is still read, to say which field it is.
            if (utf8.Length / 16 > mostBytes)
            {
                return new CheckedRequest(null, faults.ToArray());
            }
        }

        if (utf8.Span.StartsWith(ByteOrderMark))
        {
            utf8 = utf8[ByteOrderMark.Length..];
        }

        string? traceparent = null;
        var request = JsonText.FindFault(utf8.Span, "request", Deepest, Example) is { } fault ? Refuse(faults, fault) : ReadDocument(utf8, faults, "", mayBeEnvelope: true, ref traceparent);
        return new CheckedRequest(faults.Count == 0 ? request : null, faults.ToArray()) { Traceparent = traceparent };
    }

    /// <summary>The extension attribute of a CloudEvent (Distributed Tracing); an envelope is not refused for one that is none.</summary>
    public static string? FindTraceparent(JsonElement envelope) =>
        envelope.TryGetProperty("specversion", out _) && envelope.TryGetProperty("traceparent", out var given) && given.ValueKind == JsonValueKind.String ? OzTelemetry.FindTraceparent(given.GetString()) : null;

    private static RunRequest? Refuse(FaultList faults, string fault)
    {
        faults.Add("", null, fault);
        return null;
    }

    private static RunRequest? ReadDocument(ReadOnlyMemory<byte> utf8, FaultList faults, string prefix, bool mayBeEnvelope, ref string? traceparent)
    {
        using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = Deepest });
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            return Refuse(faults, "the request must be a JSON object, as in {\"prompt\":\"…\"}");
        }

        return mayBeEnvelope && root.TryGetProperty("specversion", out _) ? ReadEnvelope(root, faults, ref traceparent) : ReadRequest(root, faults, prefix);
    }

    private static RunRequest ReadRequest(JsonElement root, FaultList faults, string prefix)
    {
        var fields = new RequestFields(faults, prefix);
        var request = fields.Read(root);
        RunRequestChecks.Check(request, faults, prefix, fields.Broken);
        return request;
    }

    private static RunRequest? ReadEnvelope(JsonElement root, FaultList faults, ref string? traceparent)
    {
        traceparent = FindTraceparent(root);
        Required("specversion", text => text == "1.0" ? null : "must be 1.0: other versions of CloudEvents are not read");
        Required("id", _ => null);
        Required("source", _ => null);
        Required("type", _ => null);
        if (root.TryGetProperty("datacontenttype", out var contentType) && !IsJson(contentType))
        {
            faults.Add("datacontenttype", Show(contentType), "must be application/json");
        }

        if (root.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object)
        {
            return ReadRequest(data, faults, "data.");
        }

        if (data.ValueKind is JsonValueKind.Undefined && root.TryGetProperty("data_base64", out var encoded))
        {
            return ReadEncoded(encoded, faults, ref traceparent);
        }

        faults.Add("data", Show(data), "must hold the run request, a JSON object");
        return null;

        void Required(string name, Func<string, string?> check)
        {
            if (!root.TryGetProperty(name, out var value))
            {
                faults.Add(name, null, "is missing; every CloudEvent has it");
            }
            else if (value.ValueKind != JsonValueKind.String || value.GetString()!.Length == 0)
            {
                faults.Add(name, Show(value), "must be a text that is not empty");
            }
            else if (check(value.GetString()!) is { } rule)
            {
                faults.Add(name, Show(value), rule);
            }
        }
    }

    private static RunRequest? ReadEncoded(JsonElement encoded, FaultList faults, ref string? traceparent)
    {
        if (encoded.ValueKind != JsonValueKind.String || !encoded.TryGetBytesFromBase64(out var bytes))
        {
            faults.Add("data_base64", null, "must be base64");
            return null;
        }

        if (JsonText.FindFault(bytes, "request", Deepest, Example) is { } fault)
        {
            faults.Add("data_base64", null, fault);
            return null;
        }

        return ReadDocument(bytes, faults, "data.", mayBeEnvelope: false, ref traceparent);
    }

    private static bool IsJson(JsonElement contentType)
    {
        var type = contentType.ValueKind == JsonValueKind.String ? contentType.GetString()!.Split(';')[0].Trim() : "";
        return type.Equals("application/json", StringComparison.OrdinalIgnoreCase) || type.EndsWith("+json", StringComparison.OrdinalIgnoreCase);
    }

    private static string? Show(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Undefined => null,
        JsonValueKind.String => element.GetString(),
        _ => element.GetRawText(),
    };
}
