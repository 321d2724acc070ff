using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Direct.Artifacts;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Changes;
using OzFunctions.Masking;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests.Artifacts;

public sealed class ArtifactCollectorTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly MemoryBlobs _blobs = new();
    private readonly ManualTimeProvider _time = new();

    // Each name is short enough; the whole path is longer than the 4,096 bytes that the kernel takes.
    private const string TooDeep = "n=$(printf '%0200d' 0) && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do mkdir $n && cd $n || break; done";

    private Masker _masker = Masker.None;
    private readonly RunRecord _record = TestRecords.Claimed(new RunRequest { Prompt = "x", Artifacts = ["out/**/*.txt", "report", "./*.md"] });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task The_artifacts_directory_and_the_globs_are_kept()
    {
        _temp.Write("private/artifacts/a.json", "{}");
        _temp.Write("private/artifacts/sub/b.bin", "b");
        _temp.Write("ws/out/deep/er/c.txt", "c");
        _temp.Write("ws/out/not.bin", "-");
        _temp.Write("ws/report/index.html", "<p>");
        _temp.Write("ws/README.md", "#");
        _temp.Write("ws/.git/x.txt", "-");

        var summary = await CollectAsync();

        var manifest = Manifest();
        Assert.Equal(["a.json", "sub/b.bin", "README.md", "out/deep/er/c.txt", "report/index.html"], manifest.Select(entry => entry.Path));
        Assert.Equal(new ArtifactSummary(5, 8, 0), summary);
        Assert.Equal("application/json", manifest[0].ContentType);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData("{}"u8)), manifest[0].Sha256);
        Assert.Equal("c", _blobs.Text($"data/{_record.RunId}/1/artifacts/out/deep/er/c.txt"));
    }

    [Fact]
    public async Task A_run_without_artifacts_writes_nothing()
    {
        Assert.Equal(new ArtifactSummary(0, 0, 0), await CollectAsync());

        Assert.Empty(_blobs.Names);
    }

    [Fact(Timeout = 180_000)]
    public async Task Links_fifos_and_devices_are_named_and_never_opened()
    {
        _temp.Write("secret", "hunter2");
        Directory.CreateDirectory(_temp["private/artifacts"]);
        Directory.CreateDirectory(_temp["outside"]);
        _temp.Write("outside/file.txt", "hunter2");
        File.CreateSymbolicLink(_temp["private/artifacts/link"], _temp["secret"]);
        File.CreateSymbolicLink(_temp["private/artifacts/linked-directory"], _temp["outside"]);
        Directory.CreateDirectory(_temp["ws/out"]);
        File.CreateSymbolicLink(_temp["ws/out/directory"], _temp["outside"]);
        File.CreateSymbolicLink(_temp["ws/out/link.txt"], _temp["secret"]);
        await TestProcess.RunAsync("/usr/bin/mkfifo", [_temp["private/artifacts/fifo"]], Cancellation);

        var summary = await CollectAsync();

        Assert.Equal(
            ["fifo: a fifo", "link: a symbolic link", "linked-directory: a symbolic link", "out/link.txt: a symbolic link"],
            Manifest().Select(entry => $"{entry.Path}: {entry.LeftOut}"));
        Assert.Equal(new ArtifactSummary(0, 0, 4), summary);
        Assert.DoesNotContain(_blobs.Names, name => _blobs.Text(name).Contains("hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Limits_leave_out_with_a_reason()
    {
        _temp.Write("private/artifacts/1-small", "123");
        _temp.Write("private/artifacts/2-large", new string('x', 11));
        _temp.Write("private/artifacts/3-total", new string('x', 10));
        _temp.Write("private/artifacts/4-small", "1");
        _temp.Write("private/artifacts/5-count", "1");

        var summary = await CollectAsync(new ArtifactLimits { FileBytes = 10, TotalBytes = 12, Count = 2 });

        var manifest = Manifest();
        Assert.Equal(new ArtifactSummary(2, 4, 3), summary);
        Assert.Equal([null, "larger than 10 bytes", "the limit of 12 bytes", null, "the limit of 2 artifacts"], manifest.Select(entry => entry.LeftOut is { } reason ? reason[..Math.Min(reason.Length, reason.IndexOf("bytes", StringComparison.Ordinal) is > 0 and var at ? at + 5 : 24)] : null));
        Assert.Equal(11, manifest[1].Bytes);
    }

    [Fact]
    public async Task The_first_of_two_with_one_name_is_kept()
    {
        _temp.Write("private/artifacts/out/a.txt", "first");
        _temp.Write("ws/out/a.txt", "second");

        await CollectAsync();

        Assert.Equal("first", _blobs.Text($"data/{_record.RunId}/1/artifacts/out/a.txt"));
        Assert.Equal([null, "another artifact has this name"], Manifest().Select(entry => entry.LeftOut));
    }

    [Fact]
    public async Task Names_that_cannot_be_stored_are_left_out()
    {
        Directory.CreateDirectory(_temp["private/artifacts"]);
        await TestProcess.RunAsync("/bin/sh", ["-c", "cd \"$1\" && echo x >\"$(printf 'a\\377b')\" && echo x >\"$(printf 'c\\033d')\"", "sh", _temp["private/artifacts"]], Cancellation);

        Assert.Equal(new ArtifactSummary(0, 0, 2), await CollectAsync());
    }

    [Theory(Timeout = 180_000)]
    [InlineData("private/artifacts")]
    [InlineData("ws/report")]
    public async Task Directories_that_cannot_be_looked_into_are_named_and_cost_no_other(string place)
    {
        _temp.Write(place + "/before.txt", "b");
        _temp.Write(place + "/z.txt", "z");
        await TestProcess.RunAsync("/bin/sh", ["-c", "cd \"$1\" && mkdir \"$(printf 'a\\377b')\" && echo x >\"$(printf 'a\\377b')/c\" && " + TooDeep, "sh", _temp[place]], Cancellation);

        var summary = await CollectAsync();

        var (kept, leftOut) = (Manifest().Where(entry => entry.LeftOut is null), Manifest().Where(entry => entry.LeftOut is not null).ToList());
        Assert.Equal(["before.txt", "z.txt"], kept.Select(entry => Path.GetFileName(entry.Path)));
        Assert.Equal(["its name is longer than 600 bytes", "its name is not UTF-8"], leftOut.Select(entry => entry.LeftOut));
        Assert.EndsWith("a\uFFFDb", leftOut[1].Path, StringComparison.Ordinal);
        Assert.Equal(new ArtifactSummary(2, 2, 2), summary);
    }

    [Fact]
    public async Task An_artifact_that_the_store_does_not_take_costs_no_other()
    {
        _masker = new SecretSet().AddAll(["hunter2-hunter2"]).CreateMasker();
        _temp.Write("private/artifacts/a.txt", "a");
        _temp.Write("private/artifacts/bad-name.txt", "hunter2-hunter2");
        File.WriteAllBytes(_temp["private/artifacts/refused.bin"], [0, 1, 2]);
        _temp.Write("private/artifacts/z.txt", "z");
        _blobs.Refuses = name => name.EndsWith("bad-name.txt", StringComparison.Ordinal) ? new ArgumentException("A blob name has at most 1024 characters.", nameof(name))
            : name.EndsWith("refused.bin", StringComparison.Ordinal) ? new BlobStoreException("The store could not read the call (400).", isTransient: false, null)
            : null;

        Assert.Equal(new ArtifactSummary(2, 2, 2), await CollectAsync());
        Assert.Equal(
            ["a.txt: ", "bad-name.txt: the store takes no such name: it is too long, or of too many directories", "refused.bin: the store does not take it: The store could not read the call (400).", "z.txt: "],
            Manifest().Select(entry => $"{entry.Path}: {entry.LeftOut}"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_store_that_is_away_or_refuses_everybody_leaves_nothing_out(bool away)
    {
        _temp.Write("private/artifacts/a.txt", "a");
        _blobs.Refuses = name => name.EndsWith("a.txt", StringComparison.Ordinal) ? new BlobStoreException(away ? "503" : "403", isTransient: away, null) { RefusesAll = !away } : null;

        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync());
    }

    /// <summary>What a proxy does that looks into what is sent: its refusal looks like the account's.</summary>
    [Fact]
    public async Task An_artifact_that_is_refused_while_others_are_taken_is_left_out_after_ten_minutes()
    {
        _temp.Write("private/artifacts/a.txt", "a");
        _temp.Write("private/artifacts/b.exe", "MZ");
        _temp.Write("private/artifacts/c.txt", "c");
        _blobs.Refuses = name => name.EndsWith(".exe", StringComparison.Ordinal) ? Refusal : null;
        var collector = NewCollector();

        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync(collector));
        _time.Advance(TimeSpan.FromMinutes(9));

        // An outage in between says nothing of who is refused.
        _blobs.Refuses = name => name.EndsWith(".exe", StringComparison.Ordinal) ? Refusal : new BlobStoreException("503", isTransient: true, null);
        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync(collector));
        _blobs.Refuses = name => name.Contains("/artifacts/", StringComparison.Ordinal) ? Refusal : null;
        _time.Advance(TimeSpan.FromMinutes(1));

        // What was taken once is not sent again: nothing but the one is refused.
        Assert.Equal(new ArtifactSummary(2, 2, 1), await CollectAsync(collector));
        Assert.Equal(["a.txt: 1 ", "b.exe: 2 the store does not take it: 403", "c.txt: 1 "], Manifest().Select(entry => $"{entry.Path}: {entry.Bytes} {entry.LeftOut}"));
    }

    [Fact]
    public async Task One_that_is_waited_for_has_its_place_in_the_limits()
    {
        _temp.Write("private/artifacts/a.txt", "aaaaaa");
        _temp.Write("private/artifacts/b.txt", "bbbbbb");
        _blobs.Refuses = name => name.EndsWith("a.txt", StringComparison.Ordinal) ? Refusal : null;
        var collector = NewCollector(new ArtifactLimits { TotalBytes = 10 });
        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync(collector));

        _blobs.Refuses = _ => null;
        Assert.Equal(new ArtifactSummary(1, 6, 1), await CollectAsync(collector));
        Assert.Equal(["a.txt: ", "b.txt: the limit of 10 bytes for all artifacts would be passed"], Manifest().Select(entry => $"{entry.Path}: {entry.LeftOut}"));
    }

    [Fact]
    public async Task A_store_that_refuses_everything_is_waited_for_however_long_and_nothing_is_left_out()
    {
        _temp.Write("private/artifacts/a.txt", "a");
        _temp.Write("private/artifacts/z.txt", "z");
        _blobs.Refuses = name => name.EndsWith("z.txt", StringComparison.Ordinal) ? Refusal : null;
        var collector = NewCollector();
        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync(collector));

        _blobs.Refuses = _ => Refusal;
        _time.Advance(TimeSpan.FromDays(1));
        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync(collector));
        _blobs.Refuses = name => name.EndsWith("z.txt", StringComparison.Ordinal) ? Refusal : null;
        await Assert.ThrowsAsync<BlobStoreException>(() => CollectAsync(collector));

        _blobs.Refuses = _ => null;
        Assert.Equal(new ArtifactSummary(2, 2, 0), await CollectAsync(collector));
        Assert.Equal(["a.txt", "z.txt"], Manifest().Select(entry => entry.Path));
    }

    [Fact]
    public async Task Secrets_are_masked_in_text_and_in_names_and_other_bytes_are_left_alone()
    {
        _masker = new SecretSet().AddAll(["hunter2-hunter2"]).CreateMasker();
        _temp.Write("private/artifacts/a.txt", "a hunter2-hunter2 b hunter2-hunter2");
        _temp.Write("private/artifacts/b-hunter2-hunter2.txt", "b");
        _temp.Write("private/artifacts/c.txt", "");
        File.WriteAllBytes(_temp["private/artifacts/d.bin"], [.. "hunter2-hunter2"u8, 0]);
        File.WriteAllBytes(_temp["private/artifacts/e.bin"], [.. "hunter2-hunter2"u8, 0xE4]);

        // Across the pieces in which files are read, a character and a secret each.
        _temp.Write("private/artifacts/f.txt", new string('x', (64 << 10) - 2) + "€" + new string('x', (64 << 10) - 6) + "hunter2-hunter2€");

        await CollectAsync();

        var manifest = Manifest();
        Assert.Equal(["a.txt", "b-***.txt", "c.txt", "d.bin", "e.bin", "f.txt"], manifest.Select(entry => entry.Path));
        Assert.Equal([2, null, null, null, null, 1], manifest.Select(entry => entry.Masked));
        var text = _blobs.Text($"data/{_record.RunId}/1/artifacts/a.txt");
        Assert.Equal("a *** b ***", text);
        Assert.Equal((text.Length, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))), (manifest[0].Bytes, manifest[0].Sha256));
        Assert.Equal("hunter2-hunter2\0", _blobs.Text($"data/{_record.RunId}/1/artifacts/d.bin"));
        Assert.StartsWith("hunter2-hunter2", _blobs.Text($"data/{_record.RunId}/1/artifacts/e.bin"), StringComparison.Ordinal);
        Assert.EndsWith("x***€", _blobs.Text($"data/{_record.RunId}/1/artifacts/f.txt"), StringComparison.Ordinal);
        Assert.Contains("\"masked\":2", _blobs.Text($"data/{_record.RunId}/1/artifacts.json"), StringComparison.Ordinal);
        Assert.DoesNotContain("null", _blobs.Text($"data/{_record.RunId}/1/artifacts.json"), StringComparison.Ordinal);
    }

    private static BlobStoreException Refusal => new("403", isTransient: false, null) { RefusesAll = true };

    private ArtifactCollector NewCollector(ArtifactLimits? limits = null) => new(_blobs, limits ?? new ArtifactLimits(), _masker, _time);

    private Task<ArtifactSummary> CollectAsync(ArtifactLimits? limits = null) => CollectAsync(NewCollector(limits));

    private async Task<ArtifactSummary> CollectAsync(ArtifactCollector collector)
    {
        var places = new AttemptPlaces(_temp["private"]);
        var finder = new ArtifactFinder(places, _temp["ws"]);
        var collected = await collector.CollectAsync(
            _record.RunId, 1, finder.Find(_record, new ChangesCommand(new DirectOptions(), places, _temp["ws"])), Cancellation);
        Assert.Equal(collected.Summary.Count, collected.First.Count);
        return collected.Summary;
    }

    private IReadOnlyList<ArtifactEntry> Manifest() =>
        JsonSerializer.Deserialize(Encoding.UTF8.GetBytes(_blobs.Text($"data/{_record.RunId}/1/artifacts.json")), RunJson.Wire.ArtifactManifest)!.Artifacts;
}
