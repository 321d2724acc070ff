using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using OzFunctions.Logs;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Desks;

/// <summary>A run's log from a front door, by server-sent events: when the way fails, or goes quiet, it goes on after the last line that it had.</summary>
internal sealed class RemoteLog(RemoteCalls calls, TimeProvider time)
{
    /// <summary>How long the front door may be away before who follows gives up: an upgrade takes less.</summary>
    private static readonly TimeSpan MayBeAway = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    /// <summary>The front door gives a sign of life every 15 seconds: a way that is quiet for so long has failed without saying so.</summary>
    private static readonly TimeSpan MostQuiet = TimeSpan.FromMinutes(1);

    private readonly TimeProvider _time = time;

    public async IAsyncEnumerable<LogChunk> ReadAsync(RunId runId, int? attempt, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"agent/runs/{runId}/log?format=sse&follow={(follow ? "true" : "false")}{(attempt is { } only ? $"&attempt={only}" : "")}");
        var place = new Place(null, 0);
        long? failing = null;
        while (true)
        {
            var failed = false;
            await using var connection = new Connection(this, path, place, cancellationToken);
            while (true)
            {
                LogChunk? chunk;
                try
                {
                    chunk = await connection.ReadAsync();
                }
                catch (Exception ex) when (RemoteCalls.IsOutage(ex, cancellationToken))
                {
                    failing = connection.WasOpen || failing is null ? _time.GetTimestamp() : failing;
                    if (_time.GetElapsedTime(failing.Value) > MayBeAway)
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

                place = connection.At;
                yield return chunk.Value;
            }

            if (!failed)
            {
                yield break;
            }

            await Task.Delay(TryAgain, _time, cancellationToken);
        }
    }

    /// <summary>How far a log was read.</summary>
    /// <param name="LastId">Of the last event that has one; null: none had.</param>
    /// <param name="WithoutId">Lines since then without one (damaged in the store): the next connection brings them again.</param>
    private readonly record struct Place(string? LastId, int WithoutId);

    private sealed class Connection : IAsyncDisposable
    {
        private readonly RemoteLog _owner;
        private readonly string _path;
        private readonly CancellationTokenSource _quiet = new();
        private readonly ITimer _mostQuiet;
        private readonly CancellationTokenSource _either;
        private HttpResponseMessage? _response;
        private StreamReader? _reader;
        private int _known;

        public Connection(RemoteLog owner, string path, Place from, CancellationToken cancellationToken)
        {
            (_owner, _path, At, _known) = (owner, path, from, from.WithoutId);
            _mostQuiet = owner._time.CreateTimer(quiet => ((CancellationTokenSource)quiet!).Cancel(), _quiet, MostQuiet, Timeout.InfiniteTimeSpan);
            _either = CancellationTokenSource.CreateLinkedTokenSource(_quiet.Token, cancellationToken);
        }

        public Place At { get; private set; }

        /// <summary>
        /// The front door sent a line of the log or a sign of life. A head alone, with the pause that stands before everything, may also come from one that fails each time.
        /// </summary>
        public bool WasOpen { get; private set; }

        /// <summary>One line; null: the log has ended. An answer that breaks off before its end is an <see cref="IOException"/>.</summary>
        public async Task<LogChunk?> ReadAsync()
        {
            _reader ??= await OpenAsync();
            var (id, kind, data) = ((string?)null, "", (string?)null);
            while (await _reader.ReadLineAsync(_either.Token) is { } line)
            {
                _mostQuiet.Change(MostQuiet, Timeout.InfiniteTimeSpan);
                if (line.Length > 0)
                {
                    WasOpen |= !line.StartsWith("retry:", StringComparison.Ordinal);
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
                    if (id is not null)
                    {
                        (At, _known) = (new(id, 0), 0);
                        return ToChunk(data);
                    }

                    if (_known-- <= 0)
                    {
                        At = At with { WithoutId = At.WithoutId + 1 };
                        return ToChunk(data);
                    }
                }

                (id, kind, data) = (null, "", null);
            }

            throw new IOException("the answer broke off");
        }

        public async ValueTask DisposeAsync()
        {
            // First, and waited for: its call must not meet a disposed source.
            await _mostQuiet.DisposeAsync();
            _reader?.Dispose();
            _response?.Dispose();
            _either.Dispose();
            _quiet.Dispose();
        }

        private async Task<StreamReader> OpenAsync()
        {
            _response = await _owner.OpenAsync(_path, At.LastId, _either.Token);
            return new(await _response.Content.ReadAsStreamAsync(_either.Token), Encoding.UTF8);
        }

        /// <summary>The line as it is stored: the event has the attempt in front.</summary>
        private LogChunk ToChunk(string data)
        {
            var attempt = At.LastId is { } place && int.TryParse(place.Split('-')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 1;
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
