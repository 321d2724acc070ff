using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Json;

/// <summary>Wire formats that leave text which is not ASCII readable.</summary>
public static class ReadableJson
{
    /// <summary>
    /// A context as generated but for that. Lazy: asked for by a static field of one half of a partial class, and the generated half's may be initialised later.
    /// </summary>
    public static Lazy<T> Of<T>(Func<T> generated, Func<JsonSerializerOptions, T> make)
        where T : JsonSerializerContext => new(() => make(new(generated().Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
}
