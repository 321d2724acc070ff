using System.Text;
using System.Text.Json;
using OzFunctions.Json;

namespace OzFunctions.Logs;

/// <summary>One stored line of an attempt's log (design section 9).</summary>
public sealed record LogLine
{
    public required int Attempt { get; init; }

    /// <summary>Numbers the stored lines of the attempt without gaps, from 1; 0: the line is damaged and <see cref="Text"/> is all of it.</summary>
    public required long N { get; init; }

    public DateTimeOffset? Time { get; init; }

    /// <summary>One of <see cref="LogSource"/>.</summary>
    public required string Source { get; init; }

    public required string Text { get; init; }

    /// <summary>A part of a long line: the next part follows in a line of the same source.</summary>
    public bool IsContinued { get; init; }

    /// <summary>Set on the line that stands for what was left out.</summary>
    public LogCut? Cut { get; init; }

    /// <summary>Reads one line without its line feed.</summary>
    public static LogLine Parse(int attempt, ReadOnlySpan<byte> json)
    {
        var line = new LogLine { Attempt = attempt, N = 0, Source = LogSource.Host, Text = "" };
        try
        {
            var reader = new Utf8JsonReader(json);
            return reader.Read() && reader.TokenType == JsonTokenType.StartObject ? Read(line, ref reader) : Damaged(line, json);
        }
        catch (Exception ex) when (ex is JsonException or FormatException or InvalidOperationException)
        {
            return Damaged(line, json);
        }
    }

    private static LogLine Damaged(LogLine line, ReadOnlySpan<byte> json) => line with { Text = Encoding.UTF8.GetString(json) };

    private static LogLine Read(LogLine line, ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "n":
                    line = line with { N = reader.GetInt64() };
                    break;
                case "t":
                    line = line with { Time = TimeText.TryParse(reader.GetString(), out var time) ? time : null };
                    break;
                case "s":
                    line = line with { Source = reader.GetString() ?? LogSource.Host };
                    break;
                case "m":
                    line = line with { Text = reader.GetString() ?? "" };
                    break;
                case "c":
                    line = line with { IsContinued = reader.GetBoolean() };
                    break;
                case "cut":
                    line = line with { Cut = ReadCut(ref reader) };
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return line;
    }

    private static LogCut ReadCut(ref Utf8JsonReader reader)
    {
        var cut = new LogCut(0, 0);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            cut = name switch
            {
                "lines" => cut with { Lines = reader.GetInt64() },
                "bytes" => cut with { Bytes = reader.GetInt64() },
                _ => cut,
            };
        }

        return cut;
    }
}

/// <summary>How much output was left out of the log at one place.</summary>
public sealed record LogCut(long Lines, long Bytes);

/// <summary>Where a line came from.</summary>
public static class LogSource
{
    public const string Host = "host";
    public const string Setup = "setup";
    public const string Out = "out";
    public const string Err = "err";
    public const string Teardown = "teardown";
}
