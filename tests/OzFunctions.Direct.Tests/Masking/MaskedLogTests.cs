using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Logs;
using OzFunctions.Direct.Masking;
using OzFunctions.Direct.Tests.Logs;
using OzFunctions.Requests;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Masking;

/// <summary>A log that is masked is rendered the same after every crash, wherever pieces and appends cut its secrets.</summary>
public sealed class MaskedLogTests
{
    private const string Early = "early-secret-0123";
    private const string Late = "late-secret-abcdef";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 180_000)]
    [InlineData(1, 64 << 20)]
    [InlineData(2, 64 << 20)]
    [InlineData(3, 3000)]
    [InlineData(4, 3000)]
    public async Task Killed_before_or_after_any_append_it_shows_no_secret_and_loses_no_line(int seed, long cap)
    {
        for (var at = 1; at <= 15; at += 2)
        {
            var random = new Random(seed);
            await using var scene = new LogScene();
            scene.Options = scene.Options with { BatchBytes = cap > 3000 ? 400 : 100, Cap = cap };
            var masks = OpenMasks(scene, Early);
            scene.Filters = masks.CreateFilter;
            Func<int, Exception?> fault = number => number >= at ? LogScene.Away : null;
            (scene.BeforeAppend, scene.AfterAppend) = seed % 2 == 0 ? (fault, scene.AfterAppend) : (scene.BeforeAppend, fault);
            await using (var log = scene.Open())
            {
                Write(scene, SpoolStream.SetupErr, string.Concat(Enumerable.Range(0, 20).Select(i => $"{i} {Early}\n")), random);
                scene.Session.End(ShimPhase.Setup);
                await log.FollowAsync(scene.Session, ShimPhase.Setup, Cancellation);
                masks.Fix([KeyValuePair.Create("A_TOKEN", Late)]);
                Write(scene, SpoolStream.AgentOut, string.Concat(Enumerable.Range(0, 60).Select(i => $"{i} {Late}{(i % 3 == 0 ? Early : "")} e\n")), random);
                scene.Session.End(ShimPhase.Agent);
                await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
                await Task.WhenAny(cap < 1 << 20 ? log.SealAsync(Cancellation) : log.FlushAsync(Cancellation), scene.Faulted);
            }

            // The next host knows nothing but what lies in the directory.
            scene.Heal();
            scene.Filters = OpenMasks(scene).CreateFilter;
            await using (var log = scene.Open())
            {
                await log.SealAsync(Cancellation);
            }

            var stored = await scene.StoredAsync();
            Assert.DoesNotContain("secret", stored, StringComparison.Ordinal);
            if (cap > 3000)
            {
                Assert.Equal(
                    [.. Enumerable.Range(0, 20).Select(i => $"setup:{i} ***"), .. Enumerable.Range(0, 60).Select(i => $"out:{i} ***{(i % 3 == 0 ? "***" : "")} e")],
                    await scene.MessagesAsync());
            }

            Assert.DoesNotContain(scene.Seen, line => line.Contains("secret", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_line_of_which_all_was_held_back_is_as_old_as_its_first_byte()
    {
        using var temp = new TempDirectory();
        var options = new DirectOptions { Secrets = new Dictionary<string, string> { ["a"] = Early } };
        var masks = AttemptMasks.Open(options, new RunRequest { Prompt = "x" }, new AttemptPlaces(temp.Path), new MaskerCache());
        var lines = new LineTimes();
        var began = new DateTimeOffset(2026, 5, 1, 10, 0, 0, TimeSpan.Zero);
        var renderer = new LogRenderer(masks.CreateFilter(), lines, 100, RenderState.Empty);
        renderer.Add(new LogPiece(SpoolStream.SetupOut, began.AddSeconds(-9), "before\n"u8.ToArray()));
        renderer.Add(new LogPiece(SpoolStream.SetupOut, began, "ear"u8.ToArray()));
        var next = new LogRenderer(masks.CreateFilter(), lines, 100, renderer.Save());
        next.Add(new LogPiece(SpoolStream.SetupOut, began.AddSeconds(9), "ly"u8.ToArray()));
        next.Add(new LogPiece(SpoolStream.Host, default, default) { EndsPhase = LogPhases.All });

        Assert.Equal([("before", began.AddSeconds(-9)), ("early", began)], lines.Lines);
    }

    [Fact]
    public void What_is_fixed_stays_so()
    {
        using var temp = new TempDirectory();
        var places = new AttemptPlaces(temp.Path);
        var options = new DirectOptions { Secrets = new Dictionary<string, string> { ["a"] = Early, ["b"] = "short" } };
        var first = AttemptMasks.Open(options, Asking("a"), places, new MaskerCache());
        Assert.Equal($"*** {Late}", first.Mask($"{Early} {Late}"));
        Assert.Equal(["B_TOKEN"], first.Fix([KeyValuePair.Create("A_TOKEN", Late), KeyValuePair.Create("PLAIN", "plain-value"), KeyValuePair.Create("B_TOKEN", "true")]));
        Assert.Equal("*** *** plain-value", first.Mask($"{Early} {Late} plain-value"));

        // In the private directory lies what the run was given, for a host that knows nothing of it.
        temp.Write("environment", "C_TOKEN=another-secret\n");
        var second = AttemptMasks.Open(new DirectOptions(), Asking("a"), places, new MaskerCache());

        Assert.Equal("*** *** another-secret", second.Mask($"{Early} {Late} another-secret"));
        Assert.Same(second.Late, second.Late);
        Assert.Equal("another-secret", second.Late.MaskText("another-secret"));
    }

    [Fact]
    public void What_stands_in_a_wrong_environment_file_is_masked_too()
    {
        using var temp = new TempDirectory();
        temp.Write("environment", $"export A_TOKEN='{Late}'\nB_TOKEN=\"never-closed-secret\nC_TOKEN=behind-the-fault\n");
        var masks = AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, new AttemptPlaces(temp.Path), new MaskerCache());

        Assert.Equal("*** *** ***", masks.Late.MaskText($"{Late} never-closed-secret behind-the-fault"));
    }

    [Fact]
    public void Before_it_is_fixed_the_environment_file_says_what_is_masked_behind_setup()
    {
        using var temp = new TempDirectory();
        temp.Write("environment", $"A_TOKEN={Late}\n");
        var masks = AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, new AttemptPlaces(temp.Path), new MaskerCache());

        Assert.Equal("***", masks.Late.MaskText(Late));
        Assert.Equal(Late, masks.Early.MaskText(Late));
        temp.Write("environment", "A_TOKEN=something-else\n");
        Assert.Equal("***", AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, new AttemptPlaces(temp.Path), new MaskerCache()).Late.MaskText(Late));
    }

    private sealed class LineTimes : ILineSink
    {
        public List<(string, DateTimeOffset)> Lines { get; } = [];

        public void OnLine(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> line, bool continued) => Lines.Add((System.Text.Encoding.UTF8.GetString(line), time));

        public void OnCut(long lines, long bytes)
        {
        }
    }

    private static RunRequest Asking(string secret) => new() { Prompt = "x", Env = new Dictionary<string, RunVariable> { ["ASKED"] = RunVariable.FromSecret(secret) } };

    /// <summary>As a loss of power may leave the file; what an agent did to one that stood there when it was asked for is another matter.</summary>
    [Theory]
    [InlineData(0, false, false)]
    [InlineData(64, false, false)]
    [InlineData(0, true, true)]
    public void An_empty_set_is_none_before_the_agent_was_asked_for(int zeros, bool wasFixed, bool isLost)
    {
        using var temp = new TempDirectory();
        var places = new AttemptPlaces(temp.Path);
        File.WriteAllBytes(places.Secrets, new byte[zeros]);

        Assert.Equal(isLost, AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, places, new MaskerCache(), wasFixed).IsLost);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("""{"early":[],"late":[]}""", true)]
    [InlineData("as it was", false)]
    public void Another_set_than_the_one_that_was_fixed_is_not_all_that_is_to_be_masked(string content, bool isLost)
    {
        using var temp = new TempDirectory();
        var places = new AttemptPlaces(temp.Path);
        var first = AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, places, new MaskerCache());
        first.Fix([KeyValuePair.Create("A_TOKEN", Late)]);
        var digest = first.Digest;
        if (content != "as it was")
        {
            File.WriteAllText(places.Secrets, content);
        }

        var second = AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, places, new MaskerCache(), wasFixed: true, digest);

        Assert.Equal(isLost, second.IsLost);
        Assert.Equal(!isLost, second.Digest == digest);
    }

    /// <summary>It has no salt, and is as good as it was.</summary>
    [Fact]
    public void A_set_that_an_earlier_version_fixed_has_no_digest_and_is_not_lost()
    {
        using var temp = new TempDirectory();
        var places = new AttemptPlaces(temp.Path);
        File.WriteAllText(places.Secrets, $$"""{"early":[],"late":["{{Late}}"]}""");

        for (var host = 0; host < 2; host++)
        {
            var masks = AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, places, new MaskerCache(), wasFixed: host > 0, digest: null);
            masks.Fix([KeyValuePair.Create("A_TOKEN", Late)]);
            Assert.Equal((false, null, "***"), (masks.IsLost, masks.Digest, masks.Late.MaskText(Late)));
        }
    }

    [Fact]
    public void The_digest_of_one_set_is_another_each_time_so_that_nobody_guesses_values_by_it()
    {
        string[] digests = [DigestOf(Late), DigestOf(Late)];

        Assert.NotEqual(digests[0], digests[1]);

        static string DigestOf(string value)
        {
            using var temp = new TempDirectory();
            var masks = AttemptMasks.Open(new DirectOptions(), new RunRequest { Prompt = "x" }, new AttemptPlaces(temp.Path), new MaskerCache());
            masks.Fix([KeyValuePair.Create("A_TOKEN", value)]);
            return masks.Digest!;
        }
    }

    private static AttemptMasks OpenMasks(LogScene scene, params string[] secrets) => AttemptMasks.Open(
        new DirectOptions { Secrets = secrets.ToDictionary(_ => "a") }, Asking("a"), new AttemptPlaces(scene.PrivateDirectory), new MaskerCache());

    private static void Write(LogScene scene, SpoolStream stream, string text, Random random)
    {
        while (text.Length > 0)
        {
            var length = Math.Min(text.Length, random.Next(1, 25));
            scene.Session.Write(stream, text[..length]);
            text = text[length..];
        }
    }
}
