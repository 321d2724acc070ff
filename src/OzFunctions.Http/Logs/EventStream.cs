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

    public async Task SendAsync(IAsyncEnumerable<LogChunk> chunks, Func<Task<StoredRun?>> findRun)
    {
        var cancellation = call.Cancellation;

        // The first bytes tell the client that it is connected, whenever the first line comes.
        _buffer.Write("retry: 1000\n\n"u8);
        await FlushAsync(cancellation);
        await using var lines = chunks.GetAsyncEnumerator(cancellation);
        var next = lines.MoveNextAsync().AsTask();
        while (true)
        {
            while (!next.IsCompleted)
            {
                using var alive = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                var quiet = Task.Delay(AliveEvery, time, alive.Token);
                if (await Task.WhenAny(next, quiet) == quiet && !cancellation.IsCancellationRequested)
                {
                    _buffer.Write(": alive\n\n"u8);
                    await FlushAsync(cancellation);
                }

                await alive.CancelAsync();
                cancellation.ThrowIfCancellationRequested();
            }

            if (!await next)
            {
                break;
            }

            Write(lines.Current);
            await FlushAsync(cancellation);
            next = lines.MoveNextAsync().AsTask();
        }

        if (await findRun() is { Record: var run })
        {
            Write($"event: end\ndata: {{\"run_id\":\"{run.RunId}\",\"state\":\"{run.State.Text()}\"{(run.Reason is { } reason ? $",\"reason\":\"{reason.Text()}\"" : "")}}}\n\n");
            await FlushAsync(cancellation);
        }
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

    private async Task FlushAsync(CancellationToken cancellationToken)
    {
        await call.Response.Body.WriteAsync(_buffer.WrittenMemory, cancellationToken);
        await call.Response.Body.FlushAsync(cancellationToken);
        _buffer.ResetWrittenCount();
    }
}
