using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Blobs;
using OzFunctions.Direct.Logs;
using OzFunctions.Logs;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>A private directory, a store and a session that writes: what a log needs around it.</summary>
internal sealed class LogScene : IAsyncDisposable, IAgentLineObserver
{
    private readonly string _root = Directory.CreateTempSubdirectory("ozf-log-").FullName;
    private readonly List<string> _seen = [];
    private readonly TaskCompletionSource _faulted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _appends;

    public LogScene(long spoolBytes = 256 << 20)
    {
        PrivateDirectory = Path.Combine(_root, "private");
        Directory.CreateDirectory(PrivateDirectory);
        Session = new FakeSession(PrivateDirectory, spoolBytes);
    }

    public string PrivateDirectory { get; }

    public InMemoryBlobStore Blobs { get; } = new(TimeProvider.System);

    /// <summary>Asked before each append, with its number from 1; an exception is thrown and nothing appended.</summary>
    public Func<int, Exception?> BeforeAppend { get; set; } = _ => null;

    /// <summary>Asked after each append; an exception is thrown though it was done.</summary>
    public Func<int, Exception?> AfterAppend { get; set; } = _ => null;

    /// <summary>Completes with the first failure.</summary>
    public Task Faulted => _faulted.Task;

    public static BlobStoreException Away => new("The store cannot be reached.", isTransient: true, inner: null);

    /// <summary>As where somebody put a lease on the blob.</summary>
    public static BlobStoreException Refused => new("412 LeaseIdMissing", isTransient: false, inner: null);

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public FakeSession Session { get; }

    public RunId RunId { get; } = RunId.Create(TimeProvider.System);

    public AttemptLogOptions Options { get; set; } = new() { FlushAfter = TimeSpan.FromMilliseconds(1), RetryAfter = TimeSpan.FromMilliseconds(1), LongestRetry = TimeSpan.FromMilliseconds(5) };

    public IReadOnlyList<string> Seen => _seen;

    public bool Remembers { get; init; } = true;

    /// <summary>Called with every line that the observer sees.</summary>
    public Action<string> OnSeen { get; set; } = _ => { };

    public Func<IOutputFilter> Filters { get; set; } = () => new PassingFilter();

    public IAttemptLog Open() => Open(new FaultyStore(Blobs, () => Ask(BeforeAppend, ++_appends), () => Ask(AfterAppend, _appends)), PrivateDirectory);

    /// <summary>From now on the store does what it is asked.</summary>
    public void Heal() => BeforeAppend = AfterAppend = _ => null;

    /// <summary>What is stored.</summary>
    public async Task<string> StoredAsync() =>
        (await Blobs.FindAsync(RunLogs.NameOf(RunId, 1), CancellationToken.None)) is { } blob ? Encoding.UTF8.GetString(blob.Content.Span) : "";

    public async Task<IReadOnlyList<LogLine>> LinesAsync() =>
        [.. (await StoredAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => LogLine.Parse(1, Encoding.UTF8.GetBytes(line)))];

    /// <summary>The messages, each with its source: <c>out:hello</c>.</summary>
    public async Task<IReadOnlyList<string>> MessagesAsync() => [.. (await LinesAsync()).Select(line => $"{line.Source}:{line.Text}")];

    /// <summary>What the log would be if it were rendered now, at one go, from the spools alone.</summary>
    public async Task<string> UndisturbedAsync()
    {
        var copy = Path.Combine(_root, "copy");
        foreach (var file in Directory.EnumerateFiles(PrivateDirectory, "*.spool", SearchOption.AllDirectories))
        {
            var target = Path.Combine(copy, Path.GetRelativePath(PrivateDirectory, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        var blobs = new InMemoryBlobStore(TimeProvider.System);
        await using (var log = Open(blobs, copy))
        {
            await log.SealAsync(CancellationToken.None);
        }

        Directory.Delete(copy, recursive: true);
        return Encoding.UTF8.GetString((await blobs.FindAsync(RunLogs.NameOf(RunId, 1), CancellationToken.None))!.Content.Span);
    }

    public void OnLine(SpoolStream stream, ReadOnlySpan<byte> line)
    {
        if (!Remembers)
        {
            return;
        }

        var text = Encoding.UTF8.GetString(line);
        _seen.Add(text);
        OnSeen(text);
    }

    private Exception? Ask(Func<int, Exception?> fault, int number)
    {
        var exception = fault(number);
        if (exception is not null)
        {
            _faulted.TrySetResult();
        }

        return exception;
    }

    private IAttemptLog Open(IBlobStore blobs, string directory) =>
        new AttemptLogs(blobs, Options, Time, NullLogger<AttemptLogs>.Instance).Open(RunId, 1, directory, this, Filters);

    public async ValueTask DisposeAsync()
    {
        await Session.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }
}
