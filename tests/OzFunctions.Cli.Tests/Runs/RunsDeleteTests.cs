using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Runs;

/// <summary><c>ozf runs delete</c> on plain files.</summary>
public sealed class RunsDeleteTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public async Task An_ended_run_is_forgotten_with_its_files_and_said_to_be()
    {
        var run = await EndOneAsync();
        Directory.CreateDirectory(Path.Join(_ozf.Data, "ozfunctions/data", run, "1"));
        File.WriteAllText(Path.Join(_ozf.Data, "ozfunctions/data", run, "1/log.ndjson"), "12345");

        var answer = (await _ozf.RunAsync("runs", "delete", run)).Ends(0);

        Assert.Equal($"{run}  deleted (CANCELLED, 1 file, 5 B)", answer.Line);
        (await _ozf.RunAsync("runs", "get", run)).Ends(ExitCodes.Usage);
        Assert.False(Directory.Exists(Path.Join(_ozf.Data, "ozfunctions/data", run, "1")) && Directory.GetFiles(Path.Join(_ozf.Data, "ozfunctions/data", run, "1")).Length > 0);
    }

    [Fact]
    public async Task A_run_that_is_not_over_is_kept_with_the_way_out()
    {
        var (live, ended) = ((await _ozf.RunAsync("run", "-p", "x")).Ends(0).Line, await EndOneAsync());

        var answer = (await _ozf.RunAsync("runs", "delete", live, ended, "--output", "json")).Ends(ExitCodes.Failed);

        Assert.Equal(["not_over", "removed"], answer.Json.GetProperty("runs").EnumerateArray().Select(one => one.GetProperty("result").GetString()));
        Assert.Contains($"ozf runs cancel {live}", (await _ozf.RunAsync("runs", "delete", live)).Ends(ExitCodes.Failed).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_whose_event_is_owed_is_kept_and_who_wants_to_know_is_told_where_to_look()
    {
        var run = await EndOneAsync();
        File.WriteAllText(Path.Join(_ozf.Data, "ozfunctions/active", run), "");

        var answer = (await _ozf.RunAsync("runs", "delete", run)).Ends(ExitCodes.Failed);

        Assert.Contains("try again in a minute; 'ozf events deliveries' says what is open", answer.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_must_answer_repeats_keeps_its_run()
    {
        var run = (await _ozf.RunAsync("run", "-p", "x", "--idempotency-key", "k")).Ends(0).Line;
        (await _ozf.RunAsync("runs", "cancel", run)).Ends(0);

        Assert.Contains("idempotency key", (await _ozf.RunAsync("runs", "delete", run)).Ends(ExitCodes.Failed).Output, StringComparison.Ordinal);
        Assert.Equal(run, (await _ozf.RunAsync("run", "-p", "x", "--idempotency-key", "k")).Ends(0).Line);
    }

    [Fact]
    public async Task By_age_only_what_is_older_goes()
    {
        var run = await EndOneAsync();

        Assert.Equal("Nothing to delete.\n", (await _ozf.RunAsync("runs", "delete", "--older-than", "30d")).Ends(0).Error);
        Assert.StartsWith(run, (await _ozf.RunAsync("runs", "delete", "--older-than", "0s")).Ends(0).Line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_that_cannot_go_keeps_none_of_the_others_and_is_named()
    {
        var (older, held, newer) = (await EndOneAsync(), await EndOneAsync(), await EndOneAsync());
        _ozf.Blobs = blobs => new Holding(blobs, held, new("The blob has a hold:\nend it first.", isTransient: false, null));

        var aged = (await _ozf.RunAsync("runs", "delete", "--older-than", "0s")).Ends(ExitCodes.Failed);
        var named = (await _ozf.RunAsync("runs", "delete", held, "--output", "json")).Ends(ExitCodes.Failed).Json.GetProperty("runs")[0];

        Assert.Equal(3, aged.Line.Split('\n').Length);
        Assert.Contains($"{held}  not deleted: The blob has a hold: end it first.", aged.Output, StringComparison.Ordinal);
        Assert.All([older, newer], run => Assert.Contains($"{run}  deleted", aged.Output, StringComparison.Ordinal));
        Assert.Equal((held, "refused", true), (named.GetProperty("run_id").GetString(), named.GetProperty("result").GetString(), named.GetProperty("message").GetString()!.StartsWith("The blob has a hold", StringComparison.Ordinal)));
        (await _ozf.RunAsync("runs", "get", held)).Ends(0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_record_that_a_newer_version_wrote_is_refused_and_the_others_go(bool byAge)
    {
        var (newer, ended) = (await EndOneAsync(), await EndOneAsync());
        var record = Directory.GetFiles(Path.Join(_ozf.Data, "ozfunctions/runs"), $"*{newer}.json", SearchOption.AllDirectories).Single();
        var text = File.ReadAllText(record);
        File.WriteAllText(record, text.Replace("\"schema\":1", "\"schema\":99", StringComparison.Ordinal));
        Assert.NotEqual(text, File.ReadAllText(record));

        string[] chosen = byAge ? ["--older-than", "0s"] : [newer, ended];
        var answer = (await _ozf.RunAsync(["runs", "delete", .. chosen])).Ends(ExitCodes.Failed);

        Assert.Contains($"{newer}  not deleted: The record of run {newer} cannot be read: it has schema 99", answer.Output, StringComparison.Ordinal);
        Assert.Contains($"{ended}  deleted", answer.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(record));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task An_outage_ends_it_and_what_was_removed_before_is_said(bool transient, bool all)
    {
        var (older, newer) = (await EndOneAsync(), await EndOneAsync());
        _ozf.Blobs = blobs => new Holding(blobs, older, new("The store is away.", transient, null) { RefusesAll = all });

        var answer = (await _ozf.RunAsync("runs", "delete", newer, older, "--output", "json")).Ends(ExitCodes.Unavailable);

        var removed = Assert.Single(answer.Json.GetProperty("runs").EnumerateArray());
        Assert.Equal((newer, "removed"), (removed.GetProperty("run_id").GetString(), removed.GetProperty("result").GetString()));
        Assert.Contains("The store is away.", answer.Error, StringComparison.Ordinal);
        Assert.Equal("", (await _ozf.RunAsync("runs", "delete", "--older-than", "0s")).Ends(ExitCodes.Unavailable).Output);
    }

    [Theory]
    [InlineData]
    [InlineData("--older-than", "soon")]
    [InlineData("--older-than", "30d", "01a212f1-da0e-7aa9-8cae-f4e7768c8fcf")]
    [InlineData("01a212f1-da0e-7aa9-8cae-f4e7768c8fcf")]
    public async Task A_slip_deletes_nothing(params string[] arguments)
    {
        var run = await EndOneAsync();

        (await _ozf.RunAsync(["runs", "delete", .. arguments])).Ends(ExitCodes.Usage);

        (await _ozf.RunAsync("runs", "get", run)).Ends(0);
    }

    private async Task<string> EndOneAsync()
    {
        var run = (await _ozf.RunAsync("run", "-p", "x")).Ends(0).Line;
        (await _ozf.RunAsync("runs", "cancel", run)).Ends(0);
        return run;
    }

    /// <summary>A store that does not let one run's record go.</summary>
    private sealed class Holding(IBlobStore inner, string runId, BlobStoreException refusal) : WrappedBlobStore(inner)
    {
        public override Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) =>
            name == RunBlobs.Record(RunId.Parse(runId)) ? throw refusal : base.TryDeleteAsync(name, match, cancellationToken);
    }
}
