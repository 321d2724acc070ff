using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Artifacts;
using OzFunctions.Backends;
using OzFunctions.Direct.Shims;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests;

/// <summary>A backend over a temporary workspace root with the real shim and fake-oz. At its end nothing that it started may run.</summary>
internal sealed class BackendRig : IAsyncDisposable
{
    public const string Store = "test-store";
    public static readonly ShimBinary Binary = new(ShimBinary.Beside(AppContext.BaseDirectory));
    private readonly TempDirectory _temp = new();
    private readonly List<IDisposable> _held = [];

    public BackendRig()
    {
        Root = _temp["root"];
        Options = new DirectOptions
        {
            WorkspaceRoot = Root,
            OzPath = Path.Combine(AppContext.BaseDirectory, "fake-oz"),
            HostEnvironment = new Dictionary<string, string>
            {
                ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
                ["HOME"] = _temp.Path,
                ["WARP_API_KEY"] = "wk-of-the-host",
            },
            Environment = [new("DOTNET_ROOT", Path.GetFullPath("../../..", System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory()))],
            StopGrace = TimeSpan.FromSeconds(1),
            FinishedGrace = TimeSpan.FromMilliseconds(500),
            DiskFree = 0,
            InodesFree = 0,
            MemoryFree = 0,
        };
    }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public TempDirectory Temp => _temp;

    public string Root { get; }

    public DirectOptions Options { get; set; }

    public MemoryBlobs Blobs { get; } = new();

    public DirectBackend CreateBackend() => DirectBackend.Create(Options, Binary, Blobs, TimeProvider.System, NullLoggerFactory.Instance);

    /// <summary>An agent of a few lines of shell in place of fake-oz.</summary>
    /// <param name="script">What it does.</param>
    /// <param name="open">Whether every account may execute it.</param>
    public void UseScript(string script, bool open = false)
    {
        Options = Options with { OzPath = _temp.Write("agent.sh", "#!/bin/sh\n" + script + "\n", executable: true) };
        if (open)
        {
            File.SetUnixFileMode(Options.OzPath!, (UnixFileMode)0x1ED);
        }
    }

    /// <summary>A run whose agent does what the verbs of fake-oz say.</summary>
    public static RunRequest Fake(string verbs) => new() { Prompt = "fake:" + verbs };

    public FakeOwnedAttempt Claim(RunRequest request) => Claim(request, CreateBackend());

    public FakeOwnedAttempt Claim(RunRequest request, DirectBackend backend)
    {
        var record = TestRecords.Claimed(request);
        var directory = backend.CreateDirectory(new AttemptIntent { Store = Store, RunId = record.RunId, Attempt = 1 });
        return Keep(new FakeOwnedAttempt(record with { Owner = record.Owner! with { Dir = directory.Name } }, directory));
    }

    /// <summary>As another host of this machine would take the attempt over.</summary>
    public FakeOwnedAttempt Adopt(FakeOwnedAttempt before, DirectBackend backend)
    {
        before.Directory.Dispose();

        // A child that a test beside this one is just forking holds the lock too, until it executes its program.
        IReadOnlyList<IAttemptDirectory> taken = [];
        SpinWait.SpinUntil(() => (taken = backend.TakeAbandonedDirectories(Store)).Count > 0, TimeSpan.FromMinutes(1));
        var directory = Assert.Single(taken);
        Assert.Equal(before.Directory.Name, directory.Name);
        return Keep(new FakeOwnedAttempt(before.Record, directory, adopted: true));
    }

    public Task<AttemptOutcome> RunAsync(FakeOwnedAttempt attempt) => CreateBackend().RunAsync(attempt, Cancellation);

    public Task<AttemptOutcome> RunAsync(RunRequest request) => RunAsync(Claim(request));

    /// <summary>An attempt whose agent has made the file <c>started</c> and runs on, and whose host has let go of it.</summary>
    public async Task<FakeOwnedAttempt> StartAndDetachAsync(RunRequest request)
    {
        var attempt = Claim(request);
        using var detach = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var running = CreateBackend().RunAsync(attempt, detach.Token);
        await WaitForFileAsync(_temp["started"]);
        await detach.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        return attempt;
    }

    public static Testing.ProcessTable.Entry ShimOf(FakeOwnedAttempt attempt) =>
        Testing.ProcessTable.WithTag(attempt.Directory.Name).Single(process => process.CommandLine.Contains("ozf-shim", StringComparison.Ordinal));

    public static void FreezeShimOf(FakeOwnedAttempt attempt) => Freeze(ShimOf(attempt).Id);

    public static void Freeze(int pid)
    {
        const int Stop = 19;
        Testing.Signals.Send(pid, Stop);
    }

    public string WorkspaceOf(FakeOwnedAttempt attempt) => Path.Combine(Root, $"{attempt.Record.RunId}-1");

    public string PrivateOf(FakeOwnedAttempt attempt) => Path.Combine(Options.WorkspaceRoot, ".ozf", attempt.Directory.Name);

    /// <summary>The stored log as text, <c>stream: message</c> a line.</summary>
    public string LogOf(FakeOwnedAttempt attempt)
    {
        var text = new StringBuilder();
        foreach (var line in Blobs.Text($"data/{attempt.Record.RunId}/1/log.ndjson").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var document = JsonDocument.Parse(line);
            text.Append(document.RootElement.GetProperty("s").GetString()).Append(": ").Append(document.RootElement.TryGetProperty("m", out var message) ? message.GetString() : "").Append('\n');
        }

        return text.ToString();
    }

    public IReadOnlyList<ArtifactEntry> ManifestOf(FakeOwnedAttempt attempt) =>
        JsonSerializer.Deserialize(Encoding.UTF8.GetBytes(Blobs.Text($"data/{attempt.Record.RunId}/1/artifacts.json")), RunJson.Wire.ArtifactManifest)!.Artifacts;

    public string ArtifactOf(FakeOwnedAttempt attempt, string name) => Blobs.Text($"data/{attempt.Record.RunId}/1/artifacts/{name}");

    public async Task WaitForFileAsync(string path)
    {
        // Renamed or created, a file shows at once; the watcher is there before the first look.
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!) { IncludeSubdirectories = false };
        var changed = new SemaphoreSlim(0);
        watcher.Created += (_, _) => changed.Release();
        watcher.Renamed += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        while (!File.Exists(path))
        {
            await changed.WaitAsync(Cancellation);
        }
    }

    /// <summary>Waits until the shim of an attempt that no host follows has written so.</summary>
    public async Task WaitForStatusAsync(FakeOwnedAttempt attempt, Func<Shim.Protocol.ShimStatus, bool> condition)
    {
        var shims = new Shims.Shims(Binary, TimeProvider.System);
        while (shims.ReadStatus(PrivateOf(attempt)) is not { } status || !condition(status))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancellation);
        }
    }

    /// <summary>The lease of an attempt is over now, as its shim counts: a short one from the start could be over before the agent runs.</summary>
    public async Task EndLeaseAsync(FakeOwnedAttempt attempt)
    {
        await using var session = await new Shims.Shims(Binary, TimeProvider.System).TryAttachAsync(PrivateOf(attempt), Cancellation);
        Assert.NotNull(session);
        await session.RenewAsync(TimeSpan.Zero, Cancellation);
    }

    /// <summary>Waits until the shim of an attempt has taken in a text that a command wrote: what is still in the pipe goes with a shim that is shot.</summary>
    public async Task WaitForOutputAsync(FakeOwnedAttempt attempt, string text)
    {
        using var reader = new Shim.Protocol.SpoolReader(Path.Combine(PrivateOf(attempt), Shim.Protocol.ShimProtocol.SpoolDirectory), Shim.Protocol.SpoolPosition.Start);
        var seen = new StringBuilder();
        while (!seen.ToString().Contains(text, StringComparison.Ordinal))
        {
            if (reader.TryRead(out var record))
            {
                seen.Append(Encoding.UTF8.GetString(record.Bytes.Span));
            }
            else
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancellation);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _held.ForEach(held => held.Dispose());
        var left = FindProcesses();
        foreach (var (pid, _) in left)
        {
            await TestProcess.RunAsync("/bin/kill", ["-9", pid.ToString(System.Globalization.CultureInfo.InvariantCulture)], CancellationToken.None);
        }

        _temp.Dispose();
        Assert.Empty(left);
    }

    /// <summary>Processes that stand in this rig's directory, or carry it in their arguments or environment.</summary>
    private List<(int Pid, string Command)> FindProcesses()
    {
        var found = new List<(int, string)>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), out var pid) || pid == Environment.ProcessId)
            {
                continue;
            }

            try
            {
                var command = File.ReadAllText(directory + "/cmdline");
                if ((command + File.ReadAllText(directory + "/environ") + new FileInfo(directory + "/cwd").LinkTarget).Contains(_temp.Path, StringComparison.Ordinal))
                {
                    found.Add((pid, command));
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended while it was looked at.
            }
        }

        return found;
    }

    private FakeOwnedAttempt Keep(FakeOwnedAttempt attempt)
    {
        _held.Add(attempt.Directory);
        _held.Add(attempt);
        return attempt;
    }
}
