using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using OzFunctions.Http.Routing;
using OzFunctions.Logs;
using OzFunctions.Runs;

namespace OzFunctions.Http.Logs;

/// <summary>Stored lines as server-sent events (WHATWG HTML, section 9.2): one a line, then one that says how the run stands.</summary>
internal sealed class EventStream(ApiCall call, TimeProvider time)
{
    /// <summary>A comment this often keeps proxies from closing a quiet stream, and finds out that nobody listens any more.</summary>
    private static readonly TimeSpan AliveEvery = TimeSpan.FromSeconds(15);

    private readonly ArrayBufferWriter<byte> _buffer = new(4096);

    /// <param name="read">Opens the log; what it reads ends with its token.</param>
    public async Task SendAsync(Func<CancellationToken, IAsyncEnumerable<LogChunk>> read, Func<Task<StoredRun?>> findRun)
    {
        // The first bytes tell the client that it is connected, whenever the first line comes.
        _buffer.Write("retry: 1000\n\n"u8);
        await FlushAsync();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(call.Cancellation);
        var lines = read(reading.Token).GetAsyncEnumerator(reading.Token);
        var next = lines.MoveNextAsync().AsTask();
        try
        {
            while (await MovesOnAsync(next))
            {
                Write(lines.Current);
                await FlushAsync();
                next = lines.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            // An iterator that is under way cannot be disposed of: when the client went away, it is ended first.
            await reading.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await lines.DisposeAsync();
        }

        if (await findRun() is { Record: var run })
        {
            Write($"event: end\ndata: {{\"run_id\":\"{run.RunId}\",\"state\":\"{run.State.Text()}\"{(run.Reason is { } reason ? $",\"reason\":\"{reason.Text()}\"" : "")}}}\n\n");
            await FlushAsync();
        }
    }

    /// <summary>Waits for the next lines, with a sign of life while there are none.</summary>
    private async Task<bool> MovesOnAsync(Task<bool> next)
    {
        while (!next.IsCompleted)
        {
            using var quiet = CancellationTokenSource.CreateLinkedTokenSource(call.Cancellation);
            await Task.WhenAny(next, Task.Delay(AliveEvery, time, quiet.Token));
            await quiet.CancelAsync();
            if (!next.IsCompleted && !call.Cancellation.IsCancellationRequested)
            {
                _buffer.Write(": alive\n\n"u8);
                await FlushAsync();
            }

            call.Cancellation.ThrowIfCancellationRequested();
        }

        return await next;
    }

    private void Write(LogChunk chunk)
    {
        for (var rest = chunk.Lines.Span; !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)'\n');
            var line = rest[..end];
            rest = rest[(end + 1)..];

            // A damaged line has no number: it comes without an id, so that a resumed client goes on from the last good one.
            if (line.StartsWith("{\"n\":"u8) && Utf8Parser.TryParse(line[5..], out long n, out var digits))
            {
                Write(string.Create(CultureInfo.InvariantCulture, $"id: {chunk.Attempt}-{n}\ndata: {{\"attempt\":{chunk.Attempt},\"n\":{n}"));
                _buffer.Write(line[(5 + digits)..]);
            }
            else
            {
                Write("data: ");
                _buffer.Write(line);
            }

            Write("\n\n");
        }
    }

    private void Write(string text) => _buffer.Write(Encoding.UTF8.GetBytes(text));

    private async Task FlushAsync()
    {
        await call.Response.Body.WriteAsync(_buffer.WrittenMemory, call.Cancellation);
        await call.Response.Body.FlushAsync(call.Cancellation);
        _buffer.ResetWrittenCount();
    }
}
