using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OzFunctions.Testing;

/// <summary>A secret that is looked for in every form a program may print it in. The forms are worked out here anew, not by the product.</summary>
public sealed class Canary
{
    // Bits at the edges of base64 belong to what stands around: some characters fewer are looked for, which is stricter.
    private const int Edge = 4;
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly List<(string Form, byte[] Bytes)> _forms = [];

    public Canary(string name, string value)
    {
        (Name, Value) = (name, value);
        Add("itself", value);
        Add("its end", value[(value.Length / 2)..]);
        Add("a URL", Uri.EscapeDataString(value));
        Add("a form field", System.Net.WebUtility.UrlEncode(value));
        Add("JSON", JsonSerializer.Serialize(value)[1..^1]);
        Add("relaxed JSON", JsonSerializer.Serialize(value, Relaxed)[1..^1]);
        Add("JSON in JSON", JsonSerializer.Serialize(JsonSerializer.Serialize(value, Relaxed), Relaxed)[3..^3]);
        Add("a shell's word", value.Replace("'", "'\\''", StringComparison.Ordinal));
        for (var before = 0; before < 3; before++)
        {
            var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(new string('u', before) + value));
            Add($"base64 at {before}", encoded[Edge..^Edge]);
            Add($"base64url at {before}", encoded.Replace('+', '-').Replace('/', '_')[Edge..^Edge]);
        }
    }

    /// <summary>How it was set.</summary>
    public string Name { get; }

    public string Value { get; }

    /// <summary>The form in which it stands there; null: in none.</summary>
    public string? FindIn(ReadOnlySpan<byte> content)
    {
        foreach (var (form, bytes) in _forms)
        {
            if (content.IndexOf(bytes) >= 0)
            {
                return form;
            }
        }

        return null;
    }

    public string? FindIn(string text) => FindIn(Encoding.UTF8.GetBytes(text));

    public override string ToString() => Name;

    private void Add(string form, string text) => _forms.Add((form, Encoding.UTF8.GetBytes(text)));
}
