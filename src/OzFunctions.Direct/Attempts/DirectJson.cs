using System.Text.Json.Serialization;
using OzFunctions.Direct.Environments;
using OzFunctions.Direct.Leftovers;
using OzFunctions.Direct.Masking;
using OzFunctions.Json;

namespace OzFunctions.Direct.Attempts;

/// <summary>The format of what the direct backend keeps on disk for itself.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(JournalEntry))]
[JsonSerializable(typeof(RequestFile))]
[JsonSerializable(typeof(MaskFile))]
[JsonSerializable(typeof(LeftDirectory))]
internal sealed partial class DirectJson : JsonSerializerContext
{
    /// <summary>As generated, but leaves non-ASCII text readable.</summary>
    public static DirectJson Disk => LazyDisk.Value;

    private static readonly Lazy<DirectJson> LazyDisk = ReadableJson.Of(() => Default!, options => new DirectJson(options));
}
