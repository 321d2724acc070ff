using OzFunctions.Configuration;

namespace OzFunctions.Cli.Tests.Configuration;

public sealed class ConfigurationFlagsTests
{
    private const string File = """
        worker_id: from-file
        max_concurrent_tasks: 3
        idle_on_complete: 1m
        backend:
          direct:
            target_dir: /file
            environment: [{name: A, value: file-a}, {name: B, value: file-b}]
        """;

    [Fact]
    public void A_flag_wins_over_the_file()
    {
        var merged = Apply(new ConfigurationFlags { WorkerId = "from-flag", TargetDir = "/flag", NoCleanup = true, MaxConcurrentTasks = 5, IdleOnComplete = "0s", Backend = "direct", Data = "/data" });

        Assert.Equal(("from-flag", "/flag", false, 5, TimeSpan.Zero, "/data"), (merged.WorkerId, merged.Direct.TargetDir, merged.Cleanup, merged.MaxConcurrentTasks!.Value, merged.IdleOnComplete, merged.Data));
        Assert.Contains("worker_id: from-flag  # flag\n", ConfigurationText.Show(merged), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_flags_the_file_stands()
    {
        var merged = Apply(new ConfigurationFlags { MaxConcurrentTasks = 0 });

        Assert.Equal(("from-file", 3, true), (merged.WorkerId, merged.MaxConcurrentTasks!.Value, merged.Cleanup));
        Assert.Contains("max_concurrent_tasks: 3  # file\n", ConfigurationText.Show(merged), StringComparison.Ordinal);
    }

    [Fact]
    public void A_flag_of_the_vendors_with_nothing_in_it_is_not_given() =>
        Assert.Equal(ConfigurationText.Show(Apply(new())), ConfigurationText.Show(Apply(new() { WorkerId = "", Backend = "", TargetDir = "", IdleOnComplete = "", ApiKey = "" })));

    [Fact]
    public void A_negative_number_of_tasks_is_no_limit_whatever_the_file_says() => Assert.Equal(0, Apply(new ConfigurationFlags { MaxConcurrentTasks = -1 }).MaxConcurrentTasks);

    [Fact]
    public void The_time_to_stay_may_have_long_units_and_blanks() => Assert.Equal(TimeSpan.FromMinutes(90), Apply(new ConfigurationFlags { IdleOnComplete = "1hour 30 min" }).IdleOnComplete);

    [Fact]
    public void Environments_are_overlaid_by_name() => Assert.Equal(
        [new("A", "flag=a,b"), new("B", "file-b"), new("C", null), new("D", "")],
        Apply(new ConfigurationFlags { Env = ["A=first", "C", "D=", "A=flag=a,b"] }).Direct.Environment);

    [Fact]
    public void A_secret_given_by_flag_is_not_shown()
    {
        var shown = ConfigurationText.Show(Apply(new ConfigurationFlags { Env = ["MY_TOKEN=hunter2"] }));

        Assert.DoesNotContain("hunter2", shown, StringComparison.Ordinal);
        Assert.Contains(ConfigurationText.Hidden, shown, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_bad_flag_is_told_without_its_secret()
    {
        var flags = new ConfigurationFlags
        {
            WorkerId = "warp-x",
            Backend = "docker",
            IdleOnComplete = "soon",
            Env = ["", "=hunter2", "A B=hunter2", "OZ_RUN_ID=hunter2"],
            Volumes = ["/a:/b"],
        };

        var merged = flags.Apply(new OzfConfiguration());

        Assert.Null(merged.Configuration);
        Assert.Equal(["--backend", "--worker-id", "--volumes", "--idle-on-complete", "--env", "--env", "--env", "--env"], merged.Faults.Select(fault => fault.Key));
        Assert.All(merged.Faults, fault => Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal));
    }

    private static OzfConfiguration Apply(ConfigurationFlags flags)
    {
        var merged = flags.Apply(ConfigurationReader.Read(File).Configuration!);
        Assert.Empty(merged.Faults);
        return merged.Configuration!;
    }
}

public sealed class SizeTextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("4096", 4096)]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("2 GiB", 2L << 30)]
    [InlineData("1gb", 1_000_000_000)]
    public void A_size_is_read(string text, long bytes)
    {
        Assert.True(SizeText.TryParse(text, out var read));
        Assert.Equal(bytes, read);
        Assert.True(SizeText.TryParse(SizeText.Format(read), out var again));
        Assert.Equal(bytes, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1.5GiB")]
    [InlineData("1XB")]
    [InlineData("99999999999999TiB")]
    public void Anything_else_is_refused(string text) => Assert.False(SizeText.TryParse(text, out _));
}
