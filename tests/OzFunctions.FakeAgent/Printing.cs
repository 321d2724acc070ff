using System.Globalization;
using System.Text;

namespace OzFunctions.FakeAgent;

/// <summary>Verbs that print much, or print badly.</summary>
internal static class Printing
{
    public static bool TryDo(Step step, AgentOutput output, AgentClock clock)
    {
        switch (step.Verb)
        {
            case "print":
                PrintLines(step.Number(0, 1), step.Seconds(1) is { } seconds ? seconds / 1000 : TimeSpan.Zero, output, clock);
                return true;
            case "print-bytes":
                PrintBytes(step.Number(0, 1024), output, clock);
                return true;
            case "raw":
                output.Raw(Encoding.UTF8.GetBytes(step.Text + "\n"));
                return true;
            case "result":
                output.Raw(Encoding.UTF8.GetBytes(step.Text == "error"
                    ? """{"type":"result","subtype":"error_during_execution","is_error":true}""" + "\n"
                    : """{"type":"result","subtype":"success","is_error":false,"result":"done"}""" + "\n"));
                return true;
            case "no-newline":
                output.Raw(Encoding.UTF8.GetBytes(step.Text.Length > 0 ? step.Text : "no newline at the end"));
                return true;
            case "invalid-utf8":
                output.Raw([(byte)'a', 0xff, 0xfe, 0xc3, (byte)'(', (byte)'b', (byte)'\n']);
                return true;
            case "half-escape":
                output.Raw("before \u001b[3\nafter\n"u8);
                return true;
            case "half-char":
                PrintSplit("€ and more\n"u8.ToArray(), 2, step.Seconds(0) ?? TimeSpan.FromMilliseconds(200), output, clock);
                return true;
            case "env-split":
                var value = Encoding.UTF8.GetBytes(Reports.Value(step.Words[0]) + "\n");
                PrintSplit(value, value.Length / 2, step.Seconds(1) ?? TimeSpan.FromMilliseconds(200), output, clock);
                return true;
            case "long-line":
                output.Raw(Encoding.UTF8.GetBytes(new string('y', (int)step.Number(0, 1 << 20)) + "\n"));
                return true;
            default:
                return false;
        }
    }

    private static void PrintLines(long count, TimeSpan between, AgentOutput output, AgentClock clock)
    {
        for (var i = 1L; i <= count; i++)
        {
            output.Say(string.Create(CultureInfo.InvariantCulture, $"line {i}"));
            if (between > TimeSpan.Zero)
            {
                clock.Wait(between);
            }
            else
            {
                clock.Check();
            }
        }
    }

    /// <summary>Exactly so many bytes, in lines of 1 KiB; the last line is shorter.</summary>
    private static void PrintBytes(long count, AgentOutput output, AgentClock clock)
    {
        const int Line = 1024;
        var line = new byte[Line];
        line.AsSpan().Fill((byte)'x');
        if (output.IsJson)
        {
            var (head, tail) = ("{\"type\":\"agent\",\"text\":\""u8.ToArray(), "\"}"u8.ToArray());
            head.CopyTo(line, 0);
            tail.CopyTo(line, Line - 1 - tail.Length);
        }

        line[^1] = (byte)'\n';
        var block = new byte[64 * Line];
        for (var i = 0; i < 64; i++)
        {
            line.CopyTo(block, i * Line);
        }

        while (count > 0)
        {
            clock.Check();
            var part = (int)Math.Min(count, block.Length);
            if (part == count && part % Line != 0)
            {
                // The rest is a plain line: a cut JSON object would be a line that no real CLI prints.
                block.AsSpan(part - (part % Line), part % Line).Fill((byte)'x');
                block[part - 1] = (byte)'\n';
            }

            output.Raw(block.AsSpan(0, part));
            count -= part;
        }
    }

    private static void PrintSplit(byte[] bytes, int at, TimeSpan pause, AgentOutput output, AgentClock clock)
    {
        output.Raw(bytes.AsSpan(0, at));
        clock.Wait(pause);
        output.Raw(bytes.AsSpan(at));
    }
}
