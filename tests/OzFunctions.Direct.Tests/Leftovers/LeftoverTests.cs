using OzFunctions.Backends;
using OzFunctions.Direct.Leftovers;
using OzFunctions.Direct.Shims;
using OzFunctions.Local;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Leftovers;

/// <summary>What no attempt needs any more goes, and nothing that somebody else put or wants kept.</summary>
public sealed class LeftoverTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void A_workspace_that_could_not_be_removed_is_tried_again()
    {
        var root = Root();
        var workspace = Path.GetDirectoryName(_temp.Write("root/run-1/a/b", "x"))!;
        workspace = Path.GetDirectoryName(workspace)!;
        var left = new LeftDirectories(root);
        left.Note(workspace, TimeProvider.System.GetUtcNow());

        Assert.Equal([workspace], left.Sweep());

        Assert.False(Directory.Exists(workspace));
        Assert.Empty(Directory.GetFiles(root + "/.ozf"));
        Assert.Empty(left.Sweep());
    }

    [Fact]
    public void What_stands_in_its_place_since_is_somebody_elses()
    {
        var root = Root();
        foreach (var name in (string[])["another", "link", "gone"])
        {
            _temp.Write($"root/{name}/x", "x");
            new LeftDirectories(root).Note($"{root}/{name}", TimeProvider.System.GetUtcNow());
            Directory.Move($"{root}/{name}", $"{root}/{name}-moved");
        }

        _temp.Write("root/another/precious", "x");
        Directory.CreateSymbolicLink($"{root}/link", $"{root}/link-moved");
        _temp.Write("root/.ozf/left-strange.json", """{"path":"/etc","inode":1,"device":1,"at":"2026-01-01T00:00:00Z"}""");
        _temp.Write("root/.ozf/left-nonsense.json", "no JSON");
        _temp.Write("root/kept-by-hand/x", "x");

        Assert.Empty(new LeftDirectories(root).Sweep());

        Assert.All(["another/precious", "link", "link/x", "another-moved/x", "gone-moved/x", "kept-by-hand/x", ".ozf/left-strange.json", ".ozf/left-nonsense.json"], name => Assert.True(Path.Exists($"{root}/{name}"), name));
        Assert.Equal(2, Directory.GetFiles(root + "/.ozf").Length);
    }

    [Fact]
    public void A_directory_made_later_that_got_the_same_inode_is_somebody_elses()
    {
        var root = Root();
        _temp.Write("root/run-1/x", "x");
        new LeftDirectories(root).Note(root + "/run-1", TimeProvider.System.GetUtcNow());
        var note = root + "/.ozf/left-run-1.json";
        var content = File.ReadAllText(note);
        var birth = System.Text.Json.JsonDocument.Parse(content).RootElement.GetProperty("birth").GetInt64();
        Assert.SkipWhen(birth == 0, "This file system does not know when a directory was made.");
        File.WriteAllText(note, content.Replace($"{birth}", $"{birth - 1}", StringComparison.Ordinal));

        Assert.Empty(new LeftDirectories(root).Sweep());

        Assert.True(File.Exists(root + "/run-1/x"));
        Assert.False(File.Exists(note));
    }

    [Theory]
    [InlineData("/sys/fs/cgroup", false)]
    [InlineData("/sys/fs/cgroup/ozf-0123456789abcdef/..", false)]
    [InlineData("/sys/fs/cgroup/ozf-0123456789abcde0", false)]
    [InlineData("/sys/fs/cgroup/jobs/ozf-0123456789abcdef", true)]
    [InlineData(null, false)]
    public void Only_the_group_that_a_shim_makes_for_its_directory_is_ended_after_it(string? path, bool found) =>
        Assert.Equal(found, Shims.LeftGroup.Find(path, "/var/lib/oz/workspaces/.ozf/0123456789abcdef") is not null);

    [Fact(Timeout = 180_000)]
    public async Task A_busy_workspace_is_named_in_the_record_and_goes_when_it_is_free()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var mount = rig.WorkspaceOf(attempt) + "/mounted";
        rig.UseScript($"mkdir mounted && mount -t tmpfs none mounted || touch {rig.Temp["no-mount"]}");

        var outcome = await rig.RunAsync(attempt);
        Assert.SkipWhen(File.Exists(rig.Temp["no-mount"]), "Mounting is not allowed here.");
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("could not be removed whole", StringComparison.Ordinal));
        attempt.Directory.Delete();
        Assert.Empty(new LeftDirectories(rig.Root).Sweep());
        Assert.Equal(0, await TestProcess.RunAsync("/bin/umount", [mount], BackendRig.Cancellation));

        Assert.Equal([rig.WorkspaceOf(attempt)], new LeftDirectories(rig.Root).Sweep());
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_private_directory_that_is_busy_goes_when_it_is_free()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"mount -t tmpfs none \"$TMPDIR\" || touch {rig.Temp["no-mount"]}");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        await rig.RunAsync(attempt);
        Assert.SkipWhen(File.Exists(rig.Temp["no-mount"]), "Mounting is not allowed here.");
        var directory = rig.PrivateOf(attempt);

        attempt.Directory.Delete();

        Assert.Equal([directory + "/tmp"], Directory.GetFileSystemEntries(directory));
        Assert.Empty(new LeftDirectories(rig.Root).Sweep());
        Assert.Equal(0, await TestProcess.RunAsync("/bin/umount", [directory + "/tmp"], BackendRig.Cancellation));
        Assert.Equal([directory], new LeftDirectories(rig.Root).Sweep());
        Assert.False(Directory.Exists(directory));
    }

    [Theory]
    [InlineData(29, false)]
    [InlineData(31, true)]
    public async Task What_a_store_that_is_gone_left_is_taken_after_a_month(int days, bool taken)
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        attempt.Directory.Dispose();
        var directory = rig.PrivateOf(attempt);
        foreach (var path in (string[])[.. Directory.GetFiles(directory), directory])
        {
            Directory.SetLastWriteTimeUtc(path, TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-days));
        }

        var found = backend.TakeAbandonedDirectories("another store");

        Assert.Equal(taken ? [attempt.Directory.Name] : Array.Empty<string>(), found.Select(one => one.Name));
        foreach (var one in found)
        {
            await one.DiscardAsync(BackendRig.Cancellation);
        }

        Assert.Equal(!taken, Directory.Exists(directory));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task A_kept_workspace_stays_whatever_is_swept(bool cleanup, bool keepFailed)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { Cleanup = cleanup, KeepFailedWorkspaces = keepFailed };
        var attempt = rig.Claim(BackendRig.Fake("exit 1"));

        await rig.RunAsync(attempt);
        attempt.Directory.Delete();
        var backend = rig.CreateBackend();
        Assert.Empty(backend.TakeAbandonedDirectories(BackendRig.Store));
        new LeftoverSweep(rig.Options, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance).Sweep();

        Assert.True(Directory.Exists(rig.WorkspaceOf(attempt)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_directory_that_is_none_of_ours_is_neither_locked_nor_removed()
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var foreign = backend.CreateDirectory(new AttemptIntent { Store = "other", RunId = RunId.Create(TimeProvider.System), Attempt = 1 });
        foreign.Dispose();
        rig.Temp.Write("root/.ozf/00000000000000aa/precious", "x");
        rig.Temp.Write("elsewhere/lock", "x");
        Directory.CreateSymbolicLink(rig.Temp["root/.ozf/00000000000000bb"], rig.Temp["elsewhere"]);
        rig.Temp.Write("root/.ozf/notes/x", "x");
        Directory.CreateDirectory(rig.Temp["root/.ozf/00000000000000cc"]);

        Assert.Empty(backend.TakeAbandonedDirectories(BackendRig.Store));

        Assert.All(["root/.ozf/00000000000000aa/precious", "root/.ozf/00000000000000bb", "elsewhere/lock", "root/.ozf/notes/x", "root/.ozf/" + foreign.Name], name => Assert.True(Path.Exists(rig.Temp[name]), name));
        Assert.Equal(["precious"], Directory.GetFileSystemEntries(rig.Temp["root/.ozf/00000000000000aa"]).Select(Path.GetFileName));
        Assert.False(Path.Exists(rig.Temp["root/.ozf/00000000000000cc"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task Shims_that_no_host_starts_any_more_go_after_a_day()
    {
        Root();
        var now = TimeProvider.System.GetUtcNow();
        var mine = Path.GetDirectoryName(await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), _temp["root"], TestContext.Current.CancellationToken))!;
        var (old, others, strange) = (Named('a'), Named('b'), Named('c'));
        _temp.Write($"root/.ozf/bin/{old}/ozf-shim", "x");
        _temp.Write($"root/.ozf/bin/{old}/host-dead.lock", "");
        _temp.Write($"root/.ozf/bin/{others}/ozf-shim", "x");
        using var running = FileLock.TryTake(_temp[$"root/.ozf/bin/{others}/host-living.lock"]);
        _temp.Write($"root/.ozf/bin/{strange}/precious", "x");
        _temp.Write("root/.ozf/bin/notes/ozf-shim", "x");

        Assert.Empty(ShimBinaries.Sweep(_temp["root/.ozf"], now));
        Assert.False(File.Exists(_temp[$"root/.ozf/bin/{old}/host-dead.lock"]));
        Assert.Equal([_temp[$"root/.ozf/bin/{old}"]], ShimBinaries.Sweep(_temp["root/.ozf"], now + ShimBinaries.KeptFor + TimeSpan.FromMinutes(5)));

        Assert.True(File.Exists(mine + "/ozf-shim"));
        Assert.All([$"{others}/ozf-shim", $"{strange}/precious", "notes/ozf-shim"], name => Assert.True(File.Exists(_temp["root/.ozf/bin/" + name]), name));
    }

    [Fact(Timeout = 180_000)]
    public async Task What_lives_without_a_host_or_without_a_name_is_told()
    {
        await using var rig = new BackendRig();

        // By a name of the root that is not the one that supervisors were told.
        File.CreateSymbolicLink(rig.Temp["link"], rig.Root);
        Assert.Equal((0, 0), Counts());
        rig.UseScript($"touch {rig.Temp["started"]}; exec sleep 600");
        var attempt = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        var (directory, shim) = (rig.PrivateOf(attempt), BackendRig.ShimOf(attempt).Id);
        Assert.Equal((1, 0), Counts());

        File.Delete(Path.Combine(directory, Shim.Protocol.ShimProtocol.StatusFile));
        Assert.Equal([$"{directory}: its status file is gone or another's, the run did that; its supervisor is pid {shim}"], Look().Sentences);

        attempt.Directory.Dispose();
        Assert.Contains($"(pid {shim}) works without a host, and its status file", Assert.Single(Look().Sentences), StringComparison.Ordinal);

        Testing.Signals.Send(shim, 9);
        Assert.True(await Task.Run(() => SpinWait.SpinUntil(() => !Testing.ProcessTable.IsAlive(shim), TimeSpan.FromMinutes(1)), BackendRig.Cancellation));
        Assert.Contains("its supervisor is dead and its processes ", Assert.Single(Look().Sentences), StringComparison.Ordinal);

        // A status that says nothing keeps nothing from being ended.
        await File.WriteAllTextAsync(Path.Combine(directory, Shim.Protocol.ShimProtocol.StatusFile), "nonsense", BackendRig.Cancellation);
        var backend = rig.CreateBackend();
        await Assert.Single(backend.TakeAbandonedDirectories(BackendRig.Store)).DiscardAsync(BackendRig.Cancellation);
        Assert.Equal((0, 0), Counts());
        Assert.Empty(Testing.ProcessTable.WithTag(attempt.Directory.Name));

        (int Attended, IReadOnlyList<string> Sentences) Look() => AttemptsAtRest.Look(rig.Options with { WorkspaceRoot = rig.Temp["link"] });
        (int, int) Counts() => Look() is var (attended, sentences) ? (attended, sentences.Count) : default;
    }

    private static string Named(char digit) => new(digit, 64);

    private string Root()
    {
        Directory.CreateDirectory(_temp["root/.ozf"]);
        return _temp["root"];
    }
}
