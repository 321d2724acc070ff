using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Cli.Unmanaged;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Unmanaged;

/// <summary>What becomes of runs in a spool of which the store refuses something.</summary>
public sealed class SpoolTransferTests
{
    private const string Refused = "artifacts/no such name";

    private readonly InMemoryBlobStore _spool = new(TimeProvider.System);
    private readonly InMemoryBlobStore _store = new(TimeProvider.System);
    private readonly LogLines _lines = new();
    private readonly List<RunId> _sent = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task A_file_whose_name_the_store_does_not_take_is_left_out_and_manifest_and_record_say_so()
    {
        var (source, target) = (CoreOf("spool", _spool), CoreOf("store", new Choosy(_store)));
        var run = await KeepAsync(source, "kept.txt", "no such name");

        Assert.Equal(0, await SendAsync(source, target));

        Assert.Equal([run], _sent);
        Assert.DoesNotContain(_spool.Names, name => name.Contains(run.Value, StringComparison.Ordinal));
        var manifest = await ArtifactManifests.ReadAsync(_store, run, 1, Cancellation);
        Assert.Equal([("kept.txt", true), ("no such name", false)], manifest.Artifacts.Select(entry => (entry.Path, entry.LeftOut is null)));
        Assert.Contains("takes no such name", manifest.Artifacts[1].LeftOut, StringComparison.Ordinal);
        Assert.NotNull(await _store.FindAsync(RunBlobs.Artifact(run, 1, "kept.txt"), Cancellation));
        var record = (await target.Records.FindAsync(run, Cancellation))!.Record;
        Assert.Equal(new ArtifactSummary(1, 8, 1), record.CurrentAttempt!.Artifacts);
        Assert.DoesNotContain("no such name", record.Event!.Value.GetRawText(), StringComparison.Ordinal);
        Assert.Single(_lines.Written, line => line.StartsWith("Warning: The file no such name of run", StringComparison.Ordinal));
    }

    [Fact(Timeout = 180_000)]
    public async Task What_is_sent_keeps_the_content_type_that_its_manifest_says()
    {
        var (source, store) = (CoreOf("spool", _spool), new Choosy(_store));
        var run = await KeepAsync(source, "page.html", "notes.txt");
        await _spool.PutAsync(RunBlobs.Log(run, 1), "{}\n"u8.ToArray(), Cancellation);
        await _spool.PutAsync(RunBlobs.Artifact(run, 1, "unknown"), "?"u8.ToArray(), Cancellation);

        Assert.Equal(0, await SendAsync(source, CoreOf("store", store)));

        Assert.Equal(
            new Dictionary<string, string>
            {
                [RunBlobs.Artifact(run, 1, "page.html")] = "text/html; charset=utf-8",
                [RunBlobs.Artifact(run, 1, "notes.txt")] = "text/plain",
                [RunBlobs.Artifact(run, 1, "unknown")] = "application/octet-stream",
                [RunBlobs.Manifest(run, 1)] = "application/json",
                [RunBlobs.Log(run, 1)] = "application/x-ndjson",
            },
            store.Types);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_that_the_store_will_never_take_stays_and_keeps_no_other_from_being_sent(bool byArgument)
    {
        var (source, store) = (CoreOf("spool", _spool), new Choosy(_store));
        var target = CoreOf("store", store);
        var (one, other) = (await KeepAsync(source), await KeepAsync(source));

        // The newest is sent first.
        store.RefusedRecord = RunBlobs.Record(other);
        store.ByArgument = byArgument;

        Assert.Equal(1, await SendAsync(source, target));

        Assert.Equal([one], _sent);
        Assert.NotNull(await source.Records.FindAsync(other, Cancellation));
        Assert.Single(_lines.Written, line => line.StartsWith("Warning: Run", StringComparison.Ordinal) && line.Contains($"{other}", StringComparison.Ordinal));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_store_that_takes_nothing_is_an_outage_and_not_the_fault_of_each_run()
    {
        var (source, target) = (CoreOf("spool", _spool), CoreOf("store", _store));
        await KeepAsync(source);
        await KeepAsync(source);
        _store.Before = (_, _) => throw new BlobStoreException("403", isTransient: false, null) { RefusesAll = true };

        await Assert.ThrowsAsync<BlobStoreException>(() => SendAsync(source, target));

        Assert.Empty(_lines.Written);
    }

    private async Task<int> SendAsync(OzCore source, OzCore target) =>
        await SpoolTransfer.SendAsync(source, target, await SpoolTransfer.FindWaitingAsync(source, target, Cancellation), _sent, _lines, Cancellation);

    private OzCore CoreOf(string id, IBlobStore blobs) => new(
        new()
        {
            StoreId = id,
            Blobs = blobs,
            Bell = new InMemoryBell(TimeProvider.System),
            HostLock = new InMemoryHostLock(TimeProvider.System),
            Publishers = [],
            Time = TimeProvider.System,
        },
        new(),
        _lines);

    /// <summary>A run that is over, with these files, each of eight bytes.</summary>
    private static async Task<RunId> KeepAsync(OzCore source, params string[] files)
    {
        var (runId, now) = (RunId.Create(TimeProvider.System), TimeProvider.System.GetUtcNow());
        foreach (var file in files)
        {
            await source.Ports.Blobs.PutAsync(RunBlobs.Artifact(runId, 1, file), Encoding.UTF8.GetBytes("8 bytes!"), Cancellation);
        }

        var manifest = new ArtifactManifest { Artifacts = [.. files.Select(file => new ArtifactEntry { Path = file, Bytes = 8, Sha256 = "00", ContentType = file.EndsWith(".html", StringComparison.Ordinal) ? "text/html; charset=utf-8" : "text/plain" })] };
        await source.Ports.Blobs.PutAsync(RunBlobs.Manifest(runId, 1), JsonSerializer.SerializeToUtf8Bytes(manifest, RunJson.Wire.ArtifactManifest), Cancellation);
        Assert.True(await source.Records.TryCreateAsync(
            new()
            {
                RunId = runId,
                State = RunState.Succeeded,
                Reason = RunReason.Completed,
                CreatedAt = now,
                UpdatedAt = now,
                FinishedAt = now,
                WorkerId = "local",
                Request = new() { Prompt = "x" },
                Trigger = new() { Kind = TriggerKind.Exec },
                Attempt = 1,
                Attempts = [new() { Attempt = 1, HostId = "h", State = RunState.Succeeded, Artifacts = new(files.Length, 8 * files.Length, 0) }],
            },
            Cancellation));
        return runId;
    }

    /// <summary>A store that takes not every name.</summary>
    private sealed class Choosy(IBlobStore inner) : WrappedBlobStore(inner)
    {
        public string? RefusedRecord { get; set; }

        public bool ByArgument { get; set; }

        /// <summary>Content types of what was uploaded.</summary>
        public Dictionary<string, string> Types { get; } = [];

        public override Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
        {
            if (name.EndsWith(Refused, StringComparison.Ordinal))
            {
                throw new ArgumentException("no such name", nameof(name));
            }

            Types[name] = contentType;
            return base.UploadAsync(name, content, contentType, metadata, cancellationToken);
        }

        public override Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
            name != RefusedRecord ? base.TryCreateAsync(name, content, metadata, cancellationToken)
            : ByArgument ? throw new ArgumentException("its title", nameof(metadata))
            : throw new BlobStoreException("409", isTransient: false, null);
    }
}
