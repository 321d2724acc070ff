using System.Text;
using OzFunctions.Logs;

namespace OzFunctions.Cli.Following;

/// <summary>Prints a run's log as it stands, or as it grows until the run is over.</summary>
internal sealed class LogPrinter(TextWriter output)
{
    public async Task PrintTextAsync(IAsyncEnumerable<LogChunk> log, bool colours, Action<int>? attemptBegins)
    {
        var text = new LogText(colours);
        var attempt = 0;
        await foreach (var chunk in log)
        {
            foreach (var line in chunk.Parse())
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
        }

        await WriteAsync(text.End());
    }

    public async Task PrintRawAsync(IAsyncEnumerable<LogChunk> log, CancellationToken cancellationToken)
    {
        await foreach (var chunk in log)
        {
            await output.WriteAsync(Encoding.UTF8.GetString(chunk.Lines.Span));
            await output.FlushAsync(cancellationToken);
        }
    }

    private async Task WriteAsync(string? text)
    {
        if (text is not null)
        {
            await output.WriteLineAsync(text);
            await output.FlushAsync();
        }
    }
}
