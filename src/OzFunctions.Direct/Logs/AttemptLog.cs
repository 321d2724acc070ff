using Microsoft.Extensions.Logging;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Shims;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Reads the spool for the observer, at its own pace; the <see cref="LogAppender"/> follows with a reader of its own.</summary>
internal sealed partial class AttemptLog : IAttemptLog
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(10);

    private readonly RunId _runId;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly LogJournal _journal;
    private readonly HostLines _hostLines;
    private readonly LogAppender _appender;
    private readonly SpoolReader _reader;
    private readonly LogRenderer _agentLines;
    private readonly Action<SpoolStream, ReadOnlyMemory<byte>>? _output;
    private readonly SemaphoreSlim _reading = new(1, 1);
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();
    private SpoolPosition _read;
    private SpoolPosition _place;
    private bool _closed;

    public AttemptLog(RunId runId, string privateDirectory, LogBlob blob, IAgentLineObserver observer, AttemptLogOptions options, Func<IOutputFilter> filters, TimeProvider time, ILogger logger)
    {
        _runId = runId;
        _output = options.Output;
        _time = time;
        _logger = logger;
        _journal = new LogJournal(privateDirectory);
        _hostLines = new HostLines(privateDirectory, time);
        _reader = new SpoolReader(Path.Combine(privateDirectory, ShimProtocol.SpoolDirectory), SpoolPosition.Start, RegularFile.FindSegment);
        _agentLines = new LogRenderer(filters(), new AgentLines(observer), AgentLines.LongestLine, RenderState.Empty);
        _appender = new LogAppender(runId, privateDirectory, blob, _journal, options, filters, time, logger);

        // A host that adopts reads again from the first line, but its own lines stand behind what was rendered before.
        _place = Later(_journal.Last?.SpoolTo ?? SpoolPosition.Start, _hostLines.Place);
        Advance();
        _appender.Start();
    }

    public void AddHostLine(string message)
    {
        lock (_lock)
        {
            if (_closed)
            {
                LineAfterSeal(_runId);
                return;
            }

            WriteHost(lines => lines.Add(message, _place));
        }
    }

    public async Task FollowAsync(IShimSession session, string until, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token);
        cancellationToken = either.Token;
        var phase = LogPhases.Of(until);
        var ended = session.WaitAsync(until, cancellationToken);
        await _reading.WaitAsync(cancellationToken);
        try
        {
            while (true)
            {
                var last = ended.IsCompleted;
                if (!ReadOn(cancellationToken) && !last)
                {
                    await WaitForOutputAsync(session, ended, cancellationToken);
                    if (!ReadOn(cancellationToken) && !ended.IsCompleted)
                    {
                        // It answers at once between the end of a command and the news of it.
                        await Task.WhenAny(ended, Task.Delay(ShortPause, _time, cancellationToken));
                    }
                }

                if (last)
                {
                    await ended;
                    EndPhase(phase);
                    return;
                }
            }
        }
        finally
        {
            _reading.Release();
        }
    }

    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            ReadOn(cancellationToken);
            EndPhase(LogPhases.All);
        }
        finally
        {
            _reading.Release();
        }
    }

    public Task FlushAsync(CancellationToken cancellationToken) => _appender.Demand.FlushAsync().WaitAsync(cancellationToken);

    public async Task<LogSummary> SealAsync(CancellationToken cancellationToken)
    {
        await DrainAsync(cancellationToken);
        lock (_lock)
        {
            _closed = true;
        }

        return await _appender.Demand.SealAsync().WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _appender.DisposeAsync();
        await _reading.WaitAsync(CancellationToken.None);
        lock (_lock)
        {
            _closed = true;
            _hostLines.Dispose();
        }

        _reader.Dispose();
        _journal.Dispose();
    }

    private static SpoolPosition Later(SpoolPosition one, SpoolPosition other) => one.CompareTo(other) >= 0 ? one : other;

    private async Task WaitForOutputAsync(IShimSession session, Task ended, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var output = session.WaitForOutputAsync(_reader.Position, LongestWait, enough.Token);
        await Task.WhenAny(output, ended);
        if (ended.IsCompleted)
        {
            // Whatever it ended with is said after the rest is read.
            await enough.CancelAsync();
            await output.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }

        await output;
    }

    /// <summary>Reads all that is there; false: nothing was.</summary>
    private bool ReadOn(CancellationToken cancellationToken)
    {
        var any = false;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!_reader.TryRead(out var record))
            {
                return any;
            }

            any = true;
            lock (_lock)
            {
                // First of all, so that a line that the host adds about this piece stands behind it.
                _read = record.End;
                _place = Later(_place, _read);
                Advance();
            }

            if (record.Stream is SpoolStream.AgentOut or SpoolStream.AgentErr)
            {
                _output?.Invoke(record.Stream, record.Bytes);
            }

            var phase = LogPhases.Of(record.Stream);
            if (phase == LogPhases.Of(SpoolStream.AgentOut) || record.Cut.Bytes > 0)
            {
                var bytes = phase == LogPhases.Of(SpoolStream.AgentOut) ? record.Bytes : default;
                _agentLines.Add(new LogPiece(record.Stream, record.Time, bytes) { CutLines = record.Cut.Lines, CutBytes = record.Cut.Bytes });
            }
        }
    }

    private void EndPhase(byte phase)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                WriteHost(lines => lines.AddEnd(phase, _place));
            }
        }

        _agentLines.Add(new LogPiece(SpoolStream.Host, default, default) { EndsPhase = phase });
    }

    private void WriteHost(Action<HostLines> write)
    {
        try
        {
            write(_hostLines);
            Advance();
        }
        catch (IOException ex)
        {
            // A full disk must not end a run for a sentence of ours.
            HostLineLost(_runId, ex);
        }
    }

    private void Advance() => _appender.Demand.Advance(new LogLimits(_read, _hostLines.End, Final: false));

    [LoggerMessage(LogLevel.Debug, "A line came after the log of run {RunId} was sealed")]
    private partial void LineAfterSeal(RunId runId);

    [LoggerMessage(LogLevel.Warning, "A line of the host is missing in the log of run {RunId}")]
    private partial void HostLineLost(RunId runId, Exception exception);
}
