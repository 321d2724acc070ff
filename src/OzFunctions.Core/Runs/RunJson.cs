using System.Text.Json.Serialization;
using OzFunctions.Artifacts;
using OzFunctions.Backends;
using OzFunctions.Json;
using OzFunctions.Requests;

namespace OzFunctions.Runs;

/// <summary>The wire format of everything that Core stores. Exact JSON is pinned by tests.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [typeof(UtcTimeConverter), typeof(SecondsConverter)])]
[JsonSerializable(typeof(RunRecord))]
[JsonSerializable(typeof(RunRequest))]
[JsonSerializable(typeof(AttemptIntent))]
[JsonSerializable(typeof(AttemptOutcome))]
[JsonSerializable(typeof(ArtifactManifest))]
public sealed partial class RunJson : JsonSerializerContext
{
    /// <summary>The context to use: as generated, but leaves non-ASCII text readable.</summary>
    public static RunJson Wire => LazyWire.Value;

    private static readonly Lazy<RunJson> LazyWire = ReadableJson.Of(() => Default!, options => new RunJson(options));
}
