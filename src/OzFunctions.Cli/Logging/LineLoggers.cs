using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Json;

namespace OzFunctions.Cli.Logging;

/// <summary>The host's own log: one line an event on stderr, as text or JSON, with no secret of the configuration in it.</summary>
/// <remarks>Ours, because the stock console logger brings dependency injection and configuration along, which cost more than the rest of a start.</remarks>
internal sealed class LineLoggers(Surroundings surroundings, LogLevel least, LogFormat format, Func<string, string> mask) : ILoggerFactory
{
    private static readonly string[] Own = ["t", "level", "message", "category", "exception"];
    private readonly bool _colours = surroundings.ErrorIsTerminal && surroundings.Variable("NO_COLOR") is null && surroundings.Variable("TERM") != "dumb";

    public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("This log has one place.");

    public void Dispose()
    {
    }

    private bool IsEnabled(LogLevel level) => level >= least && level != LogLevel.None;

    private void Write<TState>(string category, LogLevel level, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var message = formatter(state, exception);
        surroundings.Error.WriteLine(mask(format == LogFormat.Json ? RenderJson(category, level, state, message, exception) : RenderText(level, message, exception)));
    }

    private string RenderText(LogLevel level, string message, Exception? exception)
    {
        var line = new StringBuilder();
        line.Append(TimeText.Format(surroundings.Time.GetUtcNow())).Append(' ').Append(Paint(level)).Append(' ').Append(message.ReplaceLineEndings(" "));
        if (exception is not null)
        {
            line.Append(": ").Append(least <= LogLevel.Debug ? exception.ToString() : Causes(exception));
        }

        return line.ToString();
    }

    private string RenderJson<TState>(string category, LogLevel level, TState state, string message, Exception? exception)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("t", TimeText.Format(surroundings.Time.GetUtcNow()));
            json.WriteString("level", Name(level));
            json.WriteString("message", message);
            foreach (var (name, value) in state as IReadOnlyList<KeyValuePair<string, object?>> ?? [])
            {
                // A reader keeps one of two values of the same name; what is in the message is not lost.
                if (name != "{OriginalFormat}" && !Own.Contains(name, StringComparer.OrdinalIgnoreCase))
                {
                    json.WriteString(JsonNamingPolicy.SnakeCaseLower.ConvertName(name), Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture));
                }
            }

            json.WriteString("category", category);
            if (exception is not null)
            {
                json.WriteString("exception", least <= LogLevel.Debug ? exception.ToString() : Causes(exception));
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private string Paint(LogLevel level)
    {
        var name = Name(level).PadRight(5);
        return (_colours, level) switch
        {
            (true, >= LogLevel.Error) => $"\e[31m{name}\e[0m",
            (true, LogLevel.Warning) => $"\e[33m{name}\e[0m",
            (true, LogLevel.Information) => $"\e[32m{name}\e[0m",
            _ => name,
        };
    }

    private static string Name(LogLevel level) => level switch
    {
        <= LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        _ => "error",
    };

    private static string Causes(Exception exception)
    {
        var causes = new List<string>();
        for (Exception? at = exception; at is not null && causes.Count < 4; at = at.InnerException)
        {
            causes.Add(at.Message.ReplaceLineEndings(" "));
        }

        return string.Join(" <- ", causes.Distinct());
    }

    private sealed class LineLogger(LineLoggers owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => owner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (owner.IsEnabled(logLevel))
            {
                owner.Write(category, logLevel, state, exception, formatter);
            }
        }
    }
}

/// <summary>How the host's own log looks.</summary>
internal enum LogFormat
{
    Text,
    Json,
}
