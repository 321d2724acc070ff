using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OzFunctions.Configuration;

/// <summary>YAML items as JSON by the rules of YAML 1.2: the run requests inside the configuration are read as every other.</summary>
internal static partial class YamlJson
{
    public static byte[] Serialize(YamlItem item)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            Write(json, item);
        }

        return bytes.ToArray();
    }

    private static void Write(Utf8JsonWriter json, YamlItem item)
    {
        switch (item)
        {
            case YamlMap map:
                json.WriteStartObject();
                foreach (var (key, _, value) in map.Entries)
                {
                    json.WritePropertyName(key);
                    Write(json, value);
                }

                json.WriteEndObject();
                break;
            case YamlList list:
                json.WriteStartArray();
                foreach (var value in list.Items)
                {
                    Write(json, value);
                }

                json.WriteEndArray();
                break;
            case YamlText text:
                WriteText(json, text);
                break;
        }
    }

    private static void WriteText(Utf8JsonWriter json, YamlText text)
    {
        if (text.IsNull)
        {
            json.WriteNullValue();
        }
        else if (text.IsPlain && text.Value is "true" or "True" or "TRUE" or "false" or "False" or "FALSE")
        {
            json.WriteBooleanValue(text.Value[0] is 't' or 'T');
        }
        else if (text.IsPlain && Number().IsMatch(text.Value) && decimal.TryParse(text.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteStringValue(text.Value);
        }
    }

    [GeneratedRegex(@"\A[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\z")]
    private static partial Regex Number();
}
