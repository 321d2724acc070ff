using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Logs;

/// <summary>
/// Renders the spools into the blob, by journal and in the background: a store that is slow or away holds up nobody, what it has not got yet stays in
/// the spools. Whatever it is stopped at, it goes on at the journal's last entry: rendering the same range again gives the same bytes.
/// </summary>
internal sealed partial class LogAppender : IAsyncDisposable
{
    /// <summary>
    /// A blob that is refused for good while the log is being sealed (somebody's lease or hold is on it) is tried for this long, as an artifact is that is refused alone: whoever put it there
    /// may take it away. Then the run ends without the rest of its log.
    /// </summary>
    private static readonly TimeSpan RefusedFor = TimeSpan.FromMinutes(10);

    // The tail comes at one go, and every append has its price.
    private const int TailBatches = 4;

    // Room for what a host that adopts after a seal has to add.
    private const int RoomAfterTail = 1 << 20;

    private readonly string _privateDirectory;
    private readonly LogBlob _blob;
    private readonly LogJournal _journal;
    private readonly AttemptLogOptions _options;
    private readonly Func<IOutputFilter> _filters;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RunId _runId;
    private readonly AsyncSignal _work;
    private readonly AsyncSignal _retry;
    private readonly LogBatch _batch = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;
    private LogState _from;
    private MergedSpool _source;
    private LogRenderer _renderer;
    private int _appends;
    private long _since;
    private bool _outage;
    private long? _refusedSince;
    private bool _givenUp;

    public LogAppender(RunId runId, string privateDirectory, LogBlob blob, LogJournal journal, AttemptLogOptions options, Func<IOutputFilter> filters, TimeProvider time, ILogger logger)
    {
        _runId = runId;
        _privateDirectory = privateDirectory;
        _blob = blob;
        _journal = journal;
        _options = options;
        _filters = filters;
        _time = time;
        _logger = logger;
        _work = new AsyncSignal(time);
        _retry = new AsyncSignal(time);
        Demand = new LogDemand(_work, _retry);
        (_from, _source, _renderer) = GoTo(Beginning);
    }

    public LogDemand Demand { get; }

    private LogState Beginning => new() { HeadEnd = _options.Cap / 2 };

    private TimeSpan FlushAfter => (_appends / _options.StretchAfter) switch
    {
        0 => _options.FlushAfter,
        1 => _options.StretchedFlushAfter,
        _ => _options.LongestFlushAfter,
    };

    public void Start() => _running = Task.Run(() => KeepRunningAsync(_stop.Token));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Demand.End(new ObjectDisposedException(nameof(AttemptLog)));
        _source.Dispose();
        _blob.Dispose();
        _stop.Dispose();
    }

    private TimeSpan Longer(TimeSpan pause) => pause * 2 < _options.LongestRetry ? pause * 2 : _options.LongestRetry;

    private async Task KeepRunningAsync(CancellationToken cancellationToken)
    {
        for (var pause = _options.RetryAfter; ; pause = Longer(pause))
        {
            try
            {
                await RunAsync(cancellationToken);
                return;
            }
            catch (BlobStoreException ex) when (_givenUp)
            {
                GivenUp(_runId, ex);
                Demand.End(ex);
                return;
            }
            catch (Exception ex) when (!cancellationToken.IsCancellationRequested)
            {
                // The one catch-all of the log: whatever went wrong, the journal says where to go on, and the agent is not to be held up.
                Failed(_runId, ex);
                Demand.Fail(ex);
                await _retry.WaitAsync(pause, cancellationToken);
            }
        }
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await ResumeAsync(cancellationToken);
        while (true)
        {
            var wish = Demand.Read();
            var more = ReadOn(wish.Limits);
            if (_batch.Length > 0)
            {
                var left = FlushAfter - _time.GetElapsedTime(_since);
                if (more || wish.IsUrgent || left <= TimeSpan.Zero)
                {
                    await AppendBatchAsync(cancellationToken);
                }
                else
                {
                    await _work.WaitAsync(left, cancellationToken);
                }

                continue;
            }

            Demand.Complete(wish);
            if (wish.Seal is null)
            {
                await _work.WaitAsync(Timeout.InfiniteTimeSpan, cancellationToken);
            }
            else if (!_batch.Full || await AppendTailAsync(wish.Limits, cancellationToken))
            {
                wish.Seal.TrySetResult(await SealAsync(cancellationToken));
                Demand.Complete(Demand.Read());
                return;
            }
        }
    }

    private async Task ResumeAsync(CancellationToken cancellationToken)
    {
        // Every append is in the journal first: without an entry nothing of this attempt is stored, and asking would cost each run a call.
        var length = _journal.Last is null ? 0 : await TryAsync(_blob.MeasureAsync, cancellationToken);
        var entry = _journal.Last is { } last && last.From.Blob <= length ? _journal.Last : null;
        var from = entry?.From ?? Beginning;
        await TryAsync(token => _blob.ResumeAsync(from.Blob, token), cancellationToken);
        _appends = from.Appends;
        Rewind(from);
        if (entry is { Tail: true })
        {
            await AppendTailAsync(new LogLimits(entry.SpoolTo, entry.HostTo, Final: true), cancellationToken);
        }
    }

    /// <summary>Renders what is there; true: there is enough for an append, or the head is full.</summary>
    private bool ReadOn(LogLimits to)
    {
        while (!_batch.Full && _batch.Length < _options.BatchBytes)
        {
            if (!_source.TryRead(to, out var piece))
            {
                return false;
            }

            var before = _batch.Length;
            _renderer.Add(piece);
            if (before == 0)
            {
                _since = _time.GetTimestamp();
            }
        }

        return true;
    }

    private async Task AppendBatchAsync(CancellationToken cancellationToken)
    {
        await JournalAsync(new LogJournalEntry { From = _from, SpoolTo = _source.Spool, HostTo = _source.Host }, cancellationToken);
        if (await AppendAsync(cancellationToken))
        {
            // Once the head is full, the renderer has gone past the last stored line: the tail starts over from this batch.
            _from = _batch.Full ? _from with { Skip = _from.Skip + _batch.Lines } : _from with { Skip = 0, Spool = _source.Spool, Host = _source.Host, Render = _renderer.Save() };
            _from = _from with { Blob = _blob.Length, N = _batch.N, CutBytes = _batch.CutBytes, Appends = _appends };
            if (_appends < _options.MostAppends || _batch.Full)
            {
                _batch.Clear();
            }
            else
            {
                // The head ends here: the blob takes few appends more, and the tail needs them.
                _from = _from with { HeadEnd = _blob.Length };
                _batch.Start(_from, skip: 0, room: 0);
            }
        }
    }

    /// <summary>Appends what stands behind the head as far as it fits, after a line that says what does not. False: start over.</summary>
    private async Task<bool> AppendTailAsync(LogLimits to, CancellationToken cancellationToken)
    {
        var from = _from;
        var room = from.HeadEnd <= _options.Cap / 2 ? _options.Cap - from.HeadEnd : RoomAfterTail;
        var measure = new TailMeasure(from.N, from.Skip, room);
        using (var source = new MergedSpool(_privateDirectory, from.Spool, from.Host))
        {
            var renderer = new LogRenderer(_filters(), measure, _options.LongestLine, from.Render);
            while (source.TryRead(to, out var piece))
            {
                cancellationToken.ThrowIfCancellationRequested();
                renderer.Add(piece);
            }
        }

        await JournalAsync(new LogJournalEntry { From = from, SpoolTo = to.Spool, HostTo = to.Host, Tail = true }, cancellationToken);
        Rewind(from);
        _batch.Start(from, from.Skip + measure.LeftOut, long.MaxValue);
        if (measure.LeftOut > 0)
        {
            _batch.AddCut(measure.CutLines, measure.CutBytes);
            _batch.LeaveOut(measure.CutBytes);
        }

        var atOnce = Math.Max(TailBatches * _options.BatchBytes, room / _options.TailAppends);
        for (var more = true; more;)
        {
            more = _source.TryRead(to, out var piece);
            if (more)
            {
                _renderer.Add(piece);
            }

            if (_batch.Length >= atOnce || (!more && _batch.Length > 0))
            {
                if (!await AppendAsync(cancellationToken))
                {
                    return false;
                }

                _batch.Clear();
            }
        }

        _from = new LogState
        {
            Blob = _blob.Length,
            N = _batch.N,
            Spool = _source.Spool,
            Host = _source.Host,
            Render = _renderer.Save(),
            HeadEnd = _blob.Length + RoomAfterTail,
            CutBytes = _batch.CutBytes,
            Appends = _appends,
        };
        _batch.Start(_from, 0, RoomAfterTail);
        return true;
    }

    private async Task<LogSummary> SealAsync(CancellationToken cancellationToken)
    {
        await TryAsync(_blob.FlushAsync, cancellationToken);
        return new LogSummary { Lines = _batch.N - 1, Bytes = _blob.Length, Sha256 = _blob.Sha256, Sealed = true, CutBytes = _batch.CutBytes };
    }

    /// <summary>True: the batch stands in the blob. False: the blob is not what the journal says; a new start was made.</summary>
    private async Task<bool> AppendAsync(CancellationToken cancellationToken)
    {
        switch (await TryAsync(token => _blob.AppendAsync(_batch.Content, token), cancellationToken))
        {
            case LogAppend.Done:
                _appends++;
                return true;

            case LogAppend.Shorter:
                // A store may lose what was not made durable. The spools still have it.
                BlobShorter(_runId, _blob.Length);
                await TryAsync(token => _blob.ResumeAsync(0, token), cancellationToken);
                Rewind(Beginning);
                return false;

            default:
                // Not ours, and not to be overwritten: go on behind it, with its numbers.
                BlobDifferent(_runId, _blob.Length);
                var length = await TryAsync(_blob.MeasureAsync, cancellationToken);
                var n = await TryAsync(token => _blob.FindLastNumberAsync(length, token), cancellationToken) + 1;
                await TryAsync(token => _blob.ResumeAsync(length, token), cancellationToken);
                Rewind(_from with { Blob = length, N = n });
                return false;
        }
    }

    private Task JournalAsync(LogJournalEntry entry, CancellationToken cancellationToken) => TryAsync(
        _ =>
        {
            _journal.Write(entry);
            return Task.CompletedTask;
        },
        cancellationToken);

    private void Rewind(LogState state)
    {
        _source.Dispose();
        (_from, _source, _renderer) = GoTo(state);
    }

    private (LogState From, MergedSpool Source, LogRenderer Renderer) GoTo(LogState state)
    {
        _batch.Start(state, state.Skip, state.HeadEnd - state.Blob);
        return (state, new MergedSpool(_privateDirectory, state.Spool, state.Host), new LogRenderer(_filters(), _batch, _options.LongestLine, state.Render));
    }

    private Task TryAsync(Func<CancellationToken, Task> act, CancellationToken cancellationToken) => TryAsync(
        async token =>
        {
            await act(token);
            return true;
        },
        cancellationToken);

    private async Task<T> TryAsync<T>(Func<CancellationToken, Task<T>> act, CancellationToken cancellationToken)
    {
        for (var pause = _options.RetryAfter; ; pause = Longer(pause))
        {
            try
            {
                var result = await act(cancellationToken);
                _refusedSince = null;
                if (_outage)
                {
                    _outage = false;
                    StoreIsBack(_runId);
                }

                return result;
            }
            catch (Exception ex) when (ex is BlobStoreException or IOException)
            {
                if (!_outage)
                {
                    _outage = true;
                    StoreIsAway(_runId, ex);
                }

                _givenUp = IsRefusedForGood(ex);
                if (_givenUp)
                {
                    throw;
                }

                Demand.Fail(ex);
                await _retry.WaitAsync(pause, cancellationToken);
            }
        }
    }

    /// <summary>While the agent runs nothing is given up, and an outage never is.</summary>
    private bool IsRefusedForGood(Exception exception)
    {
        if (exception is not BlobStoreException { IsOutage: false } || Demand.Read().Seal is null)
        {
            _refusedSince = null;
            return false;
        }

        _refusedSince ??= _time.GetTimestamp();
        return _time.GetElapsedTime(_refusedSince.Value) >= RefusedFor;
    }

    [LoggerMessage(LogLevel.Warning, "The log of run {RunId} cannot be stored now; it is kept and tried again")]
    private partial void StoreIsAway(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Information, "The log of run {RunId} is being stored again")]
    private partial void StoreIsBack(RunId runId);

    [LoggerMessage(LogLevel.Warning, "The stored log of run {RunId} has lost bytes before byte {Offset}; it is written again")]
    private partial void BlobShorter(RunId runId, long offset);

    [LoggerMessage(LogLevel.Warning, "The stored log of run {RunId} holds other bytes at byte {Offset}; the log goes on behind them")]
    private partial void BlobDifferent(RunId runId, long offset);

    [LoggerMessage(LogLevel.Error, "The log of run {RunId} is refused by the store; the run ends without the rest of it")]
    private partial void GivenUp(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Error, "Storing the log of run {RunId} failed; it starts over")]
    private partial void Failed(RunId runId, Exception exception);
}
