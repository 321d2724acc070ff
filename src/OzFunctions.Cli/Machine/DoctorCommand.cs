using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;

namespace OzFunctions.Cli.Machine;

/// <summary><c>ozf doctor</c>: looks at everything a worker host needs, before it needs it.</summary>
internal static class DoctorCommand
{
    public static Command Create(Surroundings surroundings) =>
        new Command("doctor", "Check this machine and its configuration").Does(surroundings, async (context, cancellationToken) =>
        {
            var findings = await new Examination(context).RunAsync(cancellationToken);
            if (context.Screen.Json)
            {
                WriteJson(context.Screen, findings);
            }
            else
            {
                Write(context.Screen, findings);
            }

            return findings.Any(finding => finding.Health == Health.Fail) ? ExitCodes.Failed : ExitCodes.Success;
        });

    private static void Write(Screen screen, IReadOnlyList<Finding> findings)
    {
        var width = findings.Max(finding => finding.Check.Length);
        foreach (var finding in findings)
        {
            var (word, style) = finding.Health switch
            {
                Health.Ok => ("ok  ", Style.Good),
                Health.Warn => ("warn", Style.Warning),
                _ => ("FAIL", Style.Bad),
            };
            var head = $"{finding.Check.PadRight(width)}  ";
            var room = screen.Width == int.MaxValue ? int.MaxValue : Math.Max(screen.Width - head.Length - 6, 20);
            var text = PlainText.OneLine(finding.Text + (finding.WayOut is { } wayOut ? $" {wayOut}" : ""));
            var first = true;
            foreach (var line in room == int.MaxValue ? [text] : TextWidth.Wrap(text, room))
            {
                screen.Line(first ? $"{screen.Paint(word, style)}  {head}{line}" : new string(' ', head.Length + 6) + line);
                first = false;
            }
        }

        var (fails, warns) = (findings.Count(finding => finding.Health == Health.Fail), findings.Count(finding => finding.Health == Health.Warn));
        screen.Line();
        screen.Line(fails > 0
            ? screen.Paint($"{PlainText.Count(fails, "problem")} must be solved before a worker can run here.", Style.Bad)
            : warns > 0 ? $"A worker can run here; {PlainText.Count(warns, "warning")}." : screen.Paint("A worker can run here.", Style.Good));
    }

    private static void WriteJson(Screen screen, IReadOnlyList<Finding> findings) => screen.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteBoolean("ok", findings.All(finding => finding.Health != Health.Fail));
        json.WriteStartArray("checks");
        foreach (var finding in findings)
        {
            json.WriteStartObject();
            json.WriteString("check", finding.Check);
            json.WriteString("status", finding.Health.ToString().ToLowerInvariant());
            json.WriteString("message", finding.Text);
            if (finding.WayOut is { } wayOut)
            {
                json.WriteString("way_out", wayOut);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });
}

/// <summary>What the doctor found at one place, and what to do about it.</summary>
internal sealed record Finding(string Check, Health Health, string Text, string? WayOut = null);

internal enum Health
{
    Ok,
    Warn,
    Fail,
}
