using System.Buffers.Text;
using System.Runtime.CompilerServices;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Logs;

/// <summary>Reads the logs of runs from the store, once or while they grow.</summary>
public sealed class RunLogs(IBlobStore blobs, TimeProvider time)
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Name of an attempt's log in the store.</summary>
    public static string NameOf(RunId runId, int attempt) => RunBlobs.Log(runId, attempt);

    public async IAsyncEnumerable<LogLine> ReadAsync(RunLogQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var chunk in ReadRawAsync(query, cancellationToken))
        {
            foreach (var line in chunk.Parse())
            {
                yield return line;
            }
        }
    }

    /// <summary>The log as stored, in pieces of whole lines.</summary>
    public async IAsyncEnumerable<LogChunk> ReadRawAsync(RunLogQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var progress = await query.Progress(cancellationToken);
        var asked = time.GetTimestamp();
        var from = query.From;
        for (var attempt = query.Attempt ?? query.FirstAttempt; ; attempt++)
        {
            var lines = new LogLines();
            for (var offset = 0L; ;)
            {
                // Known before the look: what is read after the end is all there is.
                var over = !query.Follow || !progress.GoesOn || progress.Attempt > attempt;
                var bytes = attempt <= progress.Attempt || query.Attempt is not null ? await ReadOnAsync(query, attempt, offset, cancellationToken) : default;
                offset += bytes.Length;
                var whole = From(ref from, lines.Add(bytes));
                if (!whole.IsEmpty)
                {
                    yield return new LogChunk(attempt, whole);
                }

                if (!bytes.IsEmpty)
                {
                    continue;
                }

                if (over)
                {
                    break;
                }

                await Task.Delay(query.PollEvery, time, cancellationToken);
                if (time.GetElapsedTime(asked) >= query.AskEvery)
                {
                    progress = await query.Progress(cancellationToken);
                    asked = time.GetTimestamp();
                }
            }

            from = 1;
            if (query.Attempt is not null || attempt >= progress.Attempt)
            {
                yield break;
            }
        }
    }

    /// <summary>The next bytes; empty: none yet.</summary>
    private async Task<ReadOnlyMemory<byte>> ReadOnAsync(RunLogQuery query, int attempt, long offset, CancellationToken cancellationToken)
    {
        var name = NameOf(query.RunId, attempt);
        try
        {
            var length = (await blobs.FindEntryAsync(name, cancellationToken))?.Length ?? 0;
            var count = (int)Math.Min(ChunkBytes, length - offset);
            if (count <= 0)
            {
                return default;
            }

            await using var content = await blobs.OpenReadAsync(name, offset, count, cancellationToken);
            if (content is null)
            {
                return default;
            }

            var bytes = new byte[count];
            var read = await content.ReadAtLeastAsync(bytes, count, throwOnEndOfStream: false, cancellationToken);
            return bytes.AsMemory(0, read);
        }
        catch (BlobStoreException ex) when (ex.IsTransient && query.Follow)
        {
            // Who follows wants to go on when the store is back.
            return default;
        }
    }

    /// <summary>Leaves out what stands before a line, damaged lines among them. 1 when it has been reached: all that follows is wanted.</summary>
    private static ReadOnlyMemory<byte> From(ref long first, ReadOnlyMemory<byte> lines)
    {
        while (first > 1 && !lines.IsEmpty)
        {
            var n = 0L;
            var isWhole = lines.Span.StartsWith("{\"n\":"u8) && Utf8Parser.TryParse(lines.Span[5..], out n, out _);
            if (isWhole && n >= first)
            {
                first = 1;
                break;
            }

            // Damaged lines right after the last one that the reader had are wanted; he cannot name them.
            first = isWhole && n == first - 1 ? 1 : first;
            lines = lines[(lines.Span.IndexOf((byte)'\n') + 1)..];
        }

        return lines;
    }
}

/// <summary>Whole stored lines of one attempt, each with its line feed.</summary>
public readonly record struct LogChunk(int Attempt, ReadOnlyMemory<byte> Lines)
{
    public IEnumerable<LogLine> Parse()
    {
        for (var rest = Lines; !rest.IsEmpty;)
        {
            var end = rest.Span.IndexOf((byte)'\n');
            yield return LogLine.Parse(Attempt, rest.Span[..end]);
            rest = rest[(end + 1)..];
        }
    }
}
