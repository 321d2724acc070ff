using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OzFunctions.Requests;

/// <summary>Faults as the outside gets them: <c>application/problem+json</c> (RFC 9457) for HTTP, a list for people.</summary>
public static class RequestProblem
{
    public const string ContentType = "application/problem+json";

    public const int Status = 400;

    /// <summary>Ends with the API's error code, as clients of Oz expect (facts D2).</summary>
    public const string Type = "/problems/invalid_request";

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The body of the answer, UTF-8.</summary>
    public static byte[] ToJson(IReadOnlyList<RequestFault> faults)
    {
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body, Options))
        {
            json.WriteStartObject();
            json.WriteString("type", Type);
            json.WriteString("title", "The run request is not valid");
            json.WriteNumber("status", Status);
            json.WriteString("detail", Summary(faults));
            json.WriteString("error", Summary(faults));
            json.WriteBoolean("retryable", false);
            WriteFaults(json, faults);
            json.WriteEndObject();
        }

        return body.ToArray();
    }

    /// <summary>The member <c>faults</c>, for other documents that carry them, such as a dead letter.</summary>
    public static void WriteFaults(Utf8JsonWriter json, IReadOnlyList<RequestFault> faults)
    {
        json.WriteStartArray("faults");
        foreach (var fault in faults)
        {
            json.WriteStartObject();
            json.WriteString("path", fault.Path);
            if (fault.Value is not null)
            {
                json.WriteString("value", fault.Value);
            }

            json.WriteString("rule", fault.Rule);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>One sentence: the first fault, and how many there are.</summary>
    public static string Summary(IReadOnlyList<RequestFault> faults) => faults.Count switch
    {
        0 => "The request is valid",
        1 => faults[0].ToString(),
        _ => string.Create(CultureInfo.InvariantCulture, $"{faults[0]} (and {faults.Count - 1} more)"),
    };

    /// <summary>A heading and one line for each fault, for stderr.</summary>
    public static string ToText(string heading, IReadOnlyList<RequestFault> faults)
    {
        var text = new StringBuilder(heading).Append('\n');
        foreach (var fault in faults)
        {
            text.Append("  ").Append(fault).Append('\n');
        }

        return text.ToString();
    }
}
