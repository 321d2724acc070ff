using System.Text.Json;

namespace OzFunctions.Json;

/// <summary>The <c>schema</c> of a stored document, read before all else: what a newer version wrote may hold words that this one does not know.</summary>
internal static class StoredSchema
{
    /// <summary>Null: it is no JSON object, or says no number.</summary>
    public static int? Find(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("schema", out var schema)
                && schema.ValueKind == JsonValueKind.Number && schema.TryGetInt32(out var number) ? number : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
