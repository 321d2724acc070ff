using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Screens;

/// <summary>What a command shows: data on stdout, everything else on stderr; colours only where a person looks.</summary>
internal sealed class Screen
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions Indented = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = true };

    private readonly Surroundings _surroundings;
    private readonly bool _colours;
    private readonly bool _errorColours;

    public Screen(Surroundings surroundings, bool json)
    {
        _surroundings = surroundings;
        Json = json;
        var wanted = surroundings.Variable("NO_COLOR") is null && surroundings.Variable("TERM") != "dumb";
        _colours = wanted && surroundings.OutIsTerminal;
        _errorColours = wanted && surroundings.ErrorIsTerminal;
    }

    /// <summary>The reader is a program: stdout holds JSON and nothing else.</summary>
    public bool Json { get; }

    /// <summary>Somebody looks at stdout.</summary>
    public bool IsTerminal => _surroundings.OutIsTerminal;

    public int Width => _surroundings.Width;

    public bool HasColours => _colours;

    public TextWriter Out => _surroundings.Out;

    public string Paint(string text, Style style) => Paint(text, style, _colours);

    public void Line(string text = "") => _surroundings.Out.WriteLine(text);

    /// <summary>A line for people beside the data, on stderr.</summary>
    public void Note(string text, Style style = Style.Plain) => _surroundings.Error.WriteLine(Paint(text, style, _errorColours));

    public void Warn(string text) => _surroundings.Error.WriteLine(Paint("warning:", Style.Warning, _errorColours) + " " + text);

    public void Fail(string text) => _surroundings.Error.WriteLine(Paint("ozf:", Style.Bad, _errorColours) + " " + text);

    /// <summary>One JSON document on one line.</summary>
    public void WriteJson(Action<Utf8JsonWriter> write) => Line(Render(write, Compact));

    /// <summary>A stored document for people who look and programs that parse: every field as it stands, indented.</summary>
    public void WriteStored(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        Line(Render(document.RootElement.WriteTo, Indented));
    }

    public void WriteIndented(Action<Utf8JsonWriter> write) => Line(Render(write, Indented));

    private static string Render(Action<Utf8JsonWriter> write, JsonWriterOptions options)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            write(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static string Paint(string text, Style style, bool colours) => colours && style != Style.Plain ? $"\e[{(int)style}m{text}\e[0m" : text;
}
