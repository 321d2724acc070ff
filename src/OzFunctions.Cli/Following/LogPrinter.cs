using System.Text;
using OzFunctions.Logs;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Following;

/// <summary>Prints a run's log as it stands, or as it grows until the run is over.</summary>
internal sealed class LogPrinter(OzCore core, TextWriter output)
{
    public async Task PrintTextAsync(RunLogQuery query, bool colours, Action<int>? attemptBegins, CancellationToken cancellationToken)
    {
        var text = new LogText(colours);
        var attempt = 0;
        await foreach (var line in new RunLogs(core.Ports.Blobs, core.Ports.Time).ReadAsync(query, cancellationToken))
        {
            if (line.Attempt != attempt)
            {
                await WriteAsync(text.End());
                text = new(colours);
                attempt = line.Attempt;
                attemptBegins?.Invoke(attempt);
            }

            await WriteAsync(text.Add(line));
        }

        await WriteAsync(text.End());
    }

    public async Task PrintRawAsync(RunLogQuery query, CancellationToken cancellationToken)
    {
        await foreach (var chunk in new RunLogs(core.Ports.Blobs, core.Ports.Time).ReadRawAsync(query, cancellationToken))
        {
            await output.WriteAsync(Encoding.UTF8.GetString(chunk.Lines.Span));
            await output.FlushAsync(cancellationToken);
        }
    }

    public RunLogQuery QueryOf(RunId runId, int? attempt, bool follow) => RunLogQuery.Of(core.Records, runId, follow) with { Attempt = attempt };

    private async Task WriteAsync(string? text)
    {
        if (text is not null)
        {
            await output.WriteLineAsync(text);
            await output.FlushAsync();
        }
    }
}
