using System.Text.Json.Serialization;

namespace OzFunctions.Files;

/// <summary>The content of <c>store.json</c>.</summary>
internal sealed record StoreDocument
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    public required string StoreId { get; init; }

    /// <summary>The kernel's boot id when all indexes were last known to be whole.</summary>
    public string? BootId { get; init; }
}

/// <summary>The content of a metadata sidecar.</summary>
internal sealed record SidecarDocument(string Etag, Dictionary<string, string> Meta);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StoreDocument))]
[JsonSerializable(typeof(SidecarDocument))]
internal sealed partial class FilesJson : JsonSerializerContext;
