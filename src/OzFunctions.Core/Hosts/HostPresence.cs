using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Hosts;

/// <summary>One life of a host under one id: its heartbeat, its lock, and how long it may let agents run (L1, L2, L4, L6).</summary>
internal sealed partial class HostPresence : IDisposable
{
    /// <summary>A host stops its agents this long before others may take over (L2).</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    private readonly OzPorts _ports;
    private readonly WorkerOptions _options;
    private readonly ILogger _logger;
    private readonly IHeldHostLock _lock;
    private readonly bool _guarded;
    private readonly SemaphoreSlim _beating = new(1, 1);
    private readonly ConcurrentDictionary<RunId, int> _running = new();
    private readonly DateTimeOffset _startedAt;
    private ETag? _etag;
    private long _beats;
    private long _aliveTimestamp;
    private DateTimeOffset _aliveTime;
    private volatile bool _left;

    public HostPresence(OzPorts ports, WorkerOptions options, ILogger logger)
    {
        _ports = ports;
        _options = options;
        _logger = logger;
        HostId = "h-" + Guid.CreateVersion7(ports.Time.GetUtcNow()).ToString("n");
        _startedAt = ports.Time.GetUtcNow();
        _lock = ports.HostLock.Hold(HostId);
        _guarded = ports.HostLock.Find(HostId) is { Held: true };
    }

    public string HostId { get; }

    /// <summary>
    /// The id under which this host reserves what others look for: they find it alive as long as this names it. Null: not begun, cut off for longer than its lease, or
    /// leaving.
    /// </summary>
    public string? NameForOthers => !_left && HasBeaten && LeaseLeft > TimeSpan.Zero ? HostId : null;

    /// <summary>It is one <c>ozf exec</c>'s and takes no other runs. Default: a worker's.</summary>
    public bool Tied { get; init; }

    /// <summary>Why this host takes no runs now, for its heartbeat; null: it does.</summary>
    public string? NotReady { get; set; }

    /// <summary>True once the store said that others declared this host dead (L4).</summary>
    public bool DeclaredDead { get; private set; }

    public bool HasBeaten => _etag is not null;

    /// <summary>Since when no heartbeat could be written; null: the last one was.</summary>
    public DateTimeOffset? AwaySince { get; private set; }

    /// <summary>
    /// How long agents may still run: lease less a minute, counted from the sending of the last heartbeat that succeeded, on the clock that ran faster.
    /// Where the store guards hosts by a lock, holding it is enough (L6).
    /// </summary>
    public TimeSpan LeaseLeft
    {
        get
        {
            var whole = _options.Lease - Margin;
            if (DeclaredDead)
            {
                return TimeSpan.Zero;
            }

            if (_guarded)
            {
                return whole;
            }

            // The clock since the boot knows of the machine's sleep where it has one, the wall clock may be set back: whichever says more time has passed counts.
            var elapsed = _ports.Time.GetElapsedTime(_aliveTimestamp);
            var wall = _ports.Time.GetUtcNow() - _aliveTime;
            var left = whole - (wall > elapsed ? wall : elapsed);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>A run is in running[] from C5 to S7.</summary>
    public void Add(RunId runId) => _running.AddOrUpdate(runId, 1, (_, count) => count + 1);

    public void Remove(RunId runId)
    {
        if (_running.AddOrUpdate(runId, 0, (_, count) => count - 1) <= 0)
        {
            _running.TryRemove(new(runId, 0));
        }
    }

    /// <summary>Writes a heartbeat now. False: unanswered, or refused because this host was declared dead.</summary>
    public async Task<bool> TryBeatAsync(CancellationToken cancellationToken)
    {
        await _beating.WaitAsync(cancellationToken);
        try
        {
            _lock.Renew();
            return !DeclaredDead && await BeatAsync(cancellationToken);
        }
        catch (BlobStoreException ex)
        {
            AwaySince ??= _ports.Time.GetUtcNow();
            BeatFailed(HostId, ex);
            return false;
        }
        finally
        {
            _beating.Release();
        }
    }

    /// <summary>From now on nothing is begun under this host's id: what keeps it alive for others is about to end.</summary>
    public void GiveUpName() => _left = true;

    /// <summary>Removes the heartbeat of a host that ends with nothing left to settle.</summary>
    public async Task LeaveAsync(HostSignals signals, CancellationToken cancellationToken)
    {
        GiveUpName();
        await _beating.WaitAsync(cancellationToken);
        try
        {
            if (_etag is { } etag)
            {
                await _ports.Blobs.TryDeleteAsync(HostHeartbeat.NameOf(HostId), etag, cancellationToken);
                await signals.ForgetAsync(HostId, cancellationToken);
            }

            _lock.Dispose();
            _ports.HostLock.Forget(HostId);
        }
        finally
        {
            _beating.Release();
        }
    }

    public void Dispose()
    {
        GiveUpName();
        _lock.Dispose();
    }

    private async Task<bool> BeatAsync(CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < 3; tries++)
        {
            var sentTimestamp = _ports.Time.GetTimestamp();
            var sentTime = _ports.Time.GetUtcNow();
            var content = Heartbeat().Write();
            var name = HostHeartbeat.NameOf(HostId);
            var written = _etag is { } etag
                ? await _ports.Blobs.TryReplaceAsync(name, content, null, etag, cancellationToken)
                : await _ports.Blobs.TryCreateAsync(name, content, null, cancellationToken);
            if (written is not null)
            {
                (_etag, _aliveTimestamp, _aliveTime) = (written, sentTimestamp, sentTime);
                AwaySince = null;
                return true;
            }

            // Refused: what stands there is a write of mine whose answer was lost, this one's or an earlier one's, for nobody else writes this name;
            // nothing there means that others declared this host dead and removed it (L4).
            if (await _ports.Blobs.FindEntryAsync(name, cancellationToken) is not { } there)
            {
                DeclaredDead = true;
                WasDeclaredDead(HostId);
                return false;
            }

            _etag = there.ETag;
        }

        return false;
    }

    private HostHeartbeat Heartbeat() => new()
    {
        HostId = HostId,
        WorkerId = _options.WorkerId,
        Machine = _options.Machine,
        Version = _options.Version,
        Slots = _options.Slots,
        Running = [.. _running.Keys],
        StartedAt = _startedAt,
        Lease = _options.Lease,
        NotReady = NotReady,
        Tied = Tied ? true : null,
        Beat = ++_beats,
    };

    [LoggerMessage(LogLevel.Warning, "The heartbeat of host {HostId} could not be written")]
    private partial void BeatFailed(string hostId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "Host {HostId} was declared dead by others; its agents are stopped and it starts anew under another id")]
    private partial void WasDeclaredDead(string hostId);
}
