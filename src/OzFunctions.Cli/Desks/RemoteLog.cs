using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using OzFunctions.Logs;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Desks;

/// <summary>A run's log from a front door, by server-sent events: when the way fails it goes on after the last line that it had.</summary>
internal sealed class RemoteLog(RemoteCalls calls, TimeProvider time)
{
    /// <summary>How long the front door may be away before who follows gives up: an upgrade takes less.</summary>
    private static readonly TimeSpan MayBeAway = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    public async IAsyncEnumerable<LogChunk> ReadAsync(RunId runId, int? attempt, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"agent/runs/{runId}/log?format=sse&follow={(follow ? "true" : "false")}{(attempt is { } only ? $"&attempt={only}" : "")}");
        string? last = null;
        var failing = time.GetTimestamp();
        while (true)
        {
            var failed = false;
            await using var connection = new Connection(this, path, last, cancellationToken);
            while (true)
            {
                LogChunk? chunk;
                try
                {
                    chunk = await connection.ReadAsync();
                }
                catch (Exception ex) when (RemoteCalls.IsOutage(ex, cancellationToken))
                {
                    if (time.GetElapsedTime(failing) > MayBeAway)
                    {
                        throw calls.Unreachable(ex);
                    }

                    failed = true;
                    break;
                }

                if (chunk is null)
                {
                    break;
                }

                (last, failing) = (connection.LastId ?? last, time.GetTimestamp());
                yield return chunk.Value;
            }

            if (!failed)
            {
                yield break;
            }

            await Task.Delay(TryAgain, time, cancellationToken);
        }
    }

    private sealed class Connection(RemoteLog owner, string path, string? last, CancellationToken cancellationToken) : IAsyncDisposable
    {
        private HttpResponseMessage? _response;
        private StreamReader? _reader;

        /// <summary>Id of the last event that was read.</summary>
        public string? LastId { get; private set; }

        /// <summary>One line; null: the log has ended. An answer that breaks off before its end is an <see cref="IOException"/>.</summary>
        public async Task<LogChunk?> ReadAsync()
        {
            _reader ??= await OpenAsync();
            var (id, kind, data) = ((string?)null, "", (string?)null);
            while (await _reader.ReadLineAsync(cancellationToken) is { } line)
            {
                if (line.Length > 0)
                {
                    var colon = line.IndexOf(": ", StringComparison.Ordinal);
                    switch (colon < 0 ? "" : line[..colon])
                    {
                        case "id":
                            id = line[(colon + 2)..];
                            break;
                        case "event":
                            kind = line[(colon + 2)..];
                            break;
                        case "data":
                            data = line[(colon + 2)..];
                            break;
                    }

                    continue;
                }

                if (kind == "end")
                {
                    return null;
                }

                if (data is not null)
                {
                    LastId = id ?? LastId;
                    return ToChunk(id, data);
                }
            }

            throw new IOException("the answer broke off");
        }

        public ValueTask DisposeAsync()
        {
            _reader?.Dispose();
            _response?.Dispose();
            return ValueTask.CompletedTask;
        }

        private async Task<StreamReader> OpenAsync()
        {
            _response = await owner.OpenAsync(path, last, cancellationToken);
            return new(await _response.Content.ReadAsStreamAsync(cancellationToken), Encoding.UTF8);
        }

        /// <summary>The line as it is stored: the event has the attempt in front.</summary>
        private LogChunk ToChunk(string? id, string data)
        {
            var attempt = (id ?? LastId) is { } place && int.TryParse(place.AsSpan(0, place.IndexOf('-', StringComparison.Ordinal)), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 1;
            var head = string.Create(CultureInfo.InvariantCulture, $"{{\"attempt\":{attempt},");
            var line = data.StartsWith(head, StringComparison.Ordinal) ? "{" + data[head.Length..] : data;
            return new(attempt, Encoding.UTF8.GetBytes(line + "\n"));
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(string path, string? last, CancellationToken cancellationToken)
    {
        var response = await calls.OpenAsync(HttpMethod.Get, path, null, null, cancellationToken, headers =>
        {
            if (last is not null)
            {
                headers.TryAddWithoutValidation("Last-Event-ID", last);
            }
        });
        return response.IsSuccessStatusCode ? response : throw CommandLine.CommandException.Usage("the run is gone from the front door's store.");
    }
}
