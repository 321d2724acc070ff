using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Writes lines of the stored log (design section 9). By hand: several times faster than a JSON writer, and the same bytes every time.</summary>
internal sealed class LogLineWriter(LogBuffer output)
{
    private static readonly SearchValues<byte> Escaped = SearchValues.Create([.. Enumerable.Range(0, 32).Select(value => (byte)value), (byte)'"', (byte)'\\', 0x7f]);
    private readonly byte[] _second = new byte[20];
    private readonly LogBuffer _valid = new();
    private long _secondTicks = -1;

    public void Line(long n, SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> message, bool continued)
    {
        Number(n);
        output.Append(",\"t\":\""u8);
        Time(time.UtcTicks);
        output.Append("\",\"s\":\""u8);
        output.Append(NameOf(stream));
        output.Append("\",\"m\":\""u8);
        Escape(Utf8.IsValid(message) ? message : Replace(message));
        output.Append(continued ? "\",\"c\":true}\n"u8 : "\"}\n"u8);
    }

    public void Cut(long n, long lines, long bytes)
    {
        Number(n);
        output.Append(",\"s\":\"host\",\"cut\":{\"lines\":"u8);
        Digits(lines);
        output.Append(",\"bytes\":"u8);
        Digits(bytes);
        output.Append("}}\n"u8);
    }

    public static ReadOnlySpan<byte> NameOf(SpoolStream stream) => stream switch
    {
        SpoolStream.SetupOut or SpoolStream.SetupErr => "setup"u8,
        SpoolStream.AgentOut => "out"u8,
        SpoolStream.AgentErr => "err"u8,
        SpoolStream.TeardownOut or SpoolStream.TeardownErr => "teardown"u8,
        _ => "host"u8,
    };

    private void Number(long n)
    {
        output.Append("{\"n\":"u8);
        Digits(n);
    }

    private void Digits(long value)
    {
        Utf8Formatter.TryFormat(value, output.GetSpan(20), out var written);
        output.Advance(written);
    }

    private void Time(long ticks)
    {
        var second = ticks / TimeSpan.TicksPerSecond;
        if (second != _secondTicks)
        {
            var time = new DateTime(second * TimeSpan.TicksPerSecond, DateTimeKind.Utc);
            time.TryFormat(_second, out _, "yyyy-MM-dd'T'HH:mm:ss'.'", System.Globalization.CultureInfo.InvariantCulture);
            _secondTicks = second;
        }

        output.Append(_second);
        var span = output.GetSpan(4);
        var millisecond = (int)(ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMillisecond);
        span[0] = (byte)('0' + (millisecond / 100));
        span[1] = (byte)('0' + (millisecond / 10 % 10));
        span[2] = (byte)('0' + (millisecond % 10));
        span[3] = (byte)'Z';
        output.Advance(4);
    }

    private void Escape(ReadOnlySpan<byte> text)
    {
        while (true)
        {
            var special = text.IndexOfAny(Escaped);
            if (special < 0)
            {
                output.Append(text);
                return;
            }

            output.Append(text[..special]);
            Escape(text[special]);
            text = text[(special + 1)..];
        }
    }

    private void Escape(byte value)
    {
        switch (value)
        {
            case (byte)'"':
                output.Append("\\\""u8);
                break;
            case (byte)'\\':
                output.Append("\\\\"u8);
                break;
            case (byte)'\t':
                output.Append("\\t"u8);
                break;
            case (byte)'\r':
                output.Append("\\r"u8);
                break;
            case (byte)'\b':
                output.Append("\\b"u8);
                break;
            case (byte)'\f':
                output.Append("\\f"u8);
                break;
            default:
                output.Append("\\u00"u8);
                var span = output.GetSpan(2);
                span[0] = "0123456789abcdef"u8[value >> 4];
                span[1] = "0123456789abcdef"u8[value & 15];
                output.Advance(2);
                break;
        }
    }

    private ReadOnlySpan<byte> Replace(ReadOnlySpan<byte> text)
    {
        _valid.CutTo(0);
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out _, out var consumed) == OperationStatus.Done)
            {
                _valid.Append(text[..consumed]);
            }
            else
            {
                _valid.Append("\uFFFD"u8);
            }

            text = text[consumed..];
        }

        return _valid.Span;
    }
}
