using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Specialized;
using OzFunctions.AzureStorage;
using OzFunctions.Intake;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>The aims on Azure Storage, beside an emulator on the same processors; floors are bare calls of the SDK to the same emulator in the same run.</summary>
internal static class AzureFigures
{
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(45);

    /// <summary>
    /// Calls of a run that do not name it, or that this bench makes too: the listing of its claim, the look whether its worker is paused, one look at its marker, its
    /// completion event.
    /// </summary>
    private const int Unseen = 4;

    public static async Task MeasureAsync(BenchPlace place, Report report, int runs, bool latencyOnly)
    {
        using var azurite = Azurite.Start(log: true);
        if (azurite is null)
        {
            Console.Error.WriteLine("  Azure: Azurite is not installed (tests/npm/install.sh); left out.");
            return;
        }

        var put = await BarePutAsync(azurite.Connection);
        report.Add("bare put to Azurite p50", put, "ms");
        await using (var host = await BenchHost.StartAzureAsync(place, place.Marking, azurite.Connection, slots: 2))
        {
            await LatencyAsync(place, report, host, put, runs);
            if (latencyOnly)
            {
                return;
            }

            await CallsAsync(report, host, azurite);
            await LoneAsync(place, report, host, put);
        }

        await RateAsync(place, report, azurite.Connection, put, runs * 2);
    }

    /// <summary>One upload in a process that has done nothing else: what other parts of a bench left on its heap is not the upload's.</summary>
    /// <param name="alone">This process is that one.</param>
    public static async Task MeasureArtifactAsync(BenchPlace place, Report report, long bytes, bool alone)
    {
        if (alone)
        {
            await ArtifactAsync(report, bytes);
            return;
        }

        var rows = Path.Join(place.Root, "artifact.json");
        string[] size = bytes < 1L << 30 ? ["--quick"] : [];
        using var process = BenchPlace.Start(Environment.ProcessPath!, ["--only", "azure-artifact", "--json", rows, .. size], redirect: true);
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        report.AddAll(JsonSerializer.Deserialize(await File.ReadAllBytesAsync(rows), BenchJson.Default.IReadOnlyListRow)!.Where(row => row.Name.StartsWith("Azure", StringComparison.Ordinal)));
    }

    private static async Task LatencyAsync(BenchPlace place, Report report, BenchHost host, double put, int runs)
    {
        var toExec = new List<double>();
        for (var run = 0; run < runs; run++)
        {
            toExec.Add(await AcceptToExecAsync(place, host));
        }

        var p50 = toExec.Percentile(50);
        report.Add("Azure: accept→exec p50, busy", p50, "ms", p50 / put, "bare puts", "≤ 60", p50 <= 60);
        report.Add("Azure: accept→exec p90, busy", toExec.Percentile(90), "ms", toExec.Percentile(90) / put, "bare puts");
    }

    private static async Task LoneAsync(BenchPlace place, Report report, BenchHost host, double put)
    {
        await Task.Delay(Idle, TimeProvider.System);
        var lone = await AcceptToExecAsync(place, host);
        report.Add("Azure: accept→exec, lone run on an idle host", lone, "ms", lone / put, "bare puts", "≤ 2000", lone <= 2000);
    }

    /// <summary>From the answer to the submitter, as on plain files: the run is accepted at the latest then, and by the protocol two calls before (I4).</summary>
    private static async Task<double> AcceptToExecAsync(BenchPlace place, BenchHost host)
    {
        var runId = await host.SubmitAsync();
        var accepted = TimeProvider.System.GetUtcNow();
        await host.WaitForCompletionAsync(runId);
        return (place.ReadMark(runId.Value, "start") - accepted).TotalMilliseconds;
    }

    /// <summary>Every call that is made for one run with a key, as the emulator saw them: not the polls, ticks and heartbeats that go on without runs.</summary>
    private static async Task CallsAsync(Report report, BenchHost host, Azurite azurite)
    {
        var before = azurite.Calls.Count;
        var answer = await host.Core.Intake.SubmitAsync(
            new() { Request = new() { Prompt = "bench", Changes = false }, Trigger = new() { Kind = TriggerKind.Cli }, Key = IntakeKeys.Cli("bench") }, CancellationToken.None);
        var runId = answer.Run.RunId;
        await host.WaitForCompletionAsync(runId);
        while (await host.Core.Ports.Blobs.FindEntryAsync(RunBlobs.Active(runId), CancellationToken.None) is not null)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }

        // The looks above are this bench's own, and have no end in the host.
        var calls = azurite.Calls.Skip(before).Where(call => call.Contains(runId.Value, StringComparison.Ordinal) || call.Contains("/keys/", StringComparison.Ordinal) || call.StartsWith("POST /oz-bell-", StringComparison.Ordinal)).ToList();
        var looks = calls.Count(call => call == $"HEAD /ozfunctions/active/{runId}");
        var counted = calls.Count - looks + Unseen;
        foreach (var call in calls.Distinct())
        {
            Console.Error.WriteLine($"    {call.Replace(runId.Value, "RUN", StringComparison.Ordinal)}");
        }

        report.Add("Azure: calls of a no-op run with a key", counted, "calls", null, "listing, pause, marker's look, event included; queued and started events not", "≤ 17", counted <= 17);
    }

    private static async Task RateAsync(BenchPlace place, Report report, string connection, double put, int runs)
    {
        await using var host = await BenchHost.StartAzureAsync(place, place.Noop, connection, slots: 8);
        for (var run = 0; run < runs; run++)
        {
            await host.SubmitAsync();
        }

        DateTimeOffset? first = null;
        var (last, completed) = (default(DateTimeOffset), 0);
        while (completed < runs)
        {
            if (await host.NextCompletionAsync() is { } next)
            {
                (first, last, completed) = (first ?? next.At, next.At, completed + 1);
            }
        }

        var rate = (runs - 1) / (last - first!.Value).TotalSeconds;
        report.Add("Azure: no-op runs/s, 8 slots", rate, "1/s", 1000 / put / rate, "bare puts/s over it", "≥ 15", rate >= 15);
    }

    private static async Task ArtifactAsync(Report report, long bytes)
    {
        using var azurite = Azurite.Start(log: false);
        if (azurite is null)
        {
            return;
        }

        var account = StorageAccount.Open(azurite.Connection, new(), TimeProvider.System);
        var store = new AzureBlobStore(account);
        await store.PutAsync("warm", default, CancellationToken.None);
        var container = new BlobServiceClient(azurite.Connection, new BlobClientOptions(BlobClientOptions.ServiceVersion.V2025_11_05)).GetBlobContainerClient(StorageNames.Container);

        // Ours first: what the bare upload leaves on the heap is not ours.
        ResetPeak();
        var ours = await TimeAsync(() => store.UploadAsync("data/r/1/artifacts/large.bin", new Noise(bytes), "application/octet-stream", null, CancellationToken.None));
        var peak = Peak();
        await store.TryDeleteAsync("data/r/1/artifacts/large.bin", null, CancellationToken.None);
        var bare = await TimeAsync(() => container.GetBlockBlobClient("bare").UploadAsync(new Noise(bytes)));
        var (rate, floor) = (bytes / ours / 1e6, bytes / bare / 1e6);
        report.Add($"Azure: upload of {bytes >> 20} MiB", rate, "MB/s", rate / floor, "a bare SDK upload", "≥ 0.8 of it", rate >= 0.8 * floor);
        report.Add("Azure: memory of that process", peak, "MB", null, null, "≤ 150", peak <= 150);
    }

    private static async Task<double> BarePutAsync(string connection)
    {
        var container = new BlobServiceClient(connection, new BlobClientOptions(BlobClientOptions.ServiceVersion.V2025_11_05)).GetBlobContainerClient("floor");
        await container.CreateIfNotExistsAsync();
        var times = new List<double>();
        for (var i = 0; i < 200; i++)
        {
            times.Add(await TimeAsync(() => container.GetBlockBlobClient($"b{i}").UploadAsync(new MemoryStream([1, 2, 3]))) * 1000);
        }

        return times.Percentile(50);
    }

    private static async Task<double> TimeAsync<T>(Func<Task<T>> work)
    {
        var began = TimeProvider.System.GetTimestamp();
        await work();
        return TimeProvider.System.GetElapsedTime(began).TotalSeconds;
    }

    private static void ResetPeak()
    {
        GC.Collect();
        File.WriteAllText("/proc/self/clear_refs", "5");
    }

    /// <summary>Most resident memory since the reset, in MB.</summary>
    private static double Peak()
    {
        var line = File.ReadLines("/proc/self/status").First(text => text.StartsWith("VmHWM:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024 / 1e6;
    }

    /// <summary>So many bytes that do not compress, made faster than anything takes them.</summary>
    private sealed class Noise(long length) : Stream
    {
        private static readonly byte[] Bytes = RandomNumberGenerator.GetBytes(1 << 20);
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position
        {
            get => _position;
            set => _position = value;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var at = (int)(_position % Bytes.Length);
            var count = (int)Math.Min(Math.Min(buffer.Length, Bytes.Length - at), length - _position);
            Bytes.AsSpan(at, count).CopyTo(buffer);
            _position += count;
            return count;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(buffer.Span));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.FromResult(Read(buffer.AsSpan(offset, count)));

        public override long Seek(long offset, SeekOrigin origin) => _position = origin switch { SeekOrigin.Begin => offset, SeekOrigin.Current => _position + offset, _ => length + offset };

        public override void Flush()
        {
        }

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
