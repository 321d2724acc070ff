using OzFunctions.Direct.Workspaces;

namespace OzFunctions.Direct.Tests.Workspaces;

public sealed class ShortagesTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly DirectOptions _enough;

    public ShortagesTests() =>
        _enough = new DirectOptions { WorkspaceRoot = _temp["root"], OzPath = _temp.Write("oz", "#!/bin/sh\n", executable: true), DiskFree = 1, InodesFree = 1, MemoryFree = 1 };

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void With_enough_of_everything_a_run_may_be_taken() => Assert.Null(new Shortages(_enough).Find());

    [Fact]
    public void Each_watermark_is_a_sentence_with_both_figures()
    {
        Assert.Matches(@"Only .* of disk are free at .*; 8589934592 GiB are asked for \(limits.disk_free\)", new Shortages(_enough with { DiskFree = long.MaxValue }).Find()!);
        Assert.Matches(@"Only \d+ inodes are free at .*; 9223372036854775807 are asked for", new Shortages(_enough with { InodesFree = long.MaxValue }).Find()!);
        Assert.Matches(@"Only .* of memory are available; .* are asked for \(limits.memory_free\)", new Shortages(_enough with { MemoryFree = long.MaxValue }).Find()!);
    }

    [Fact]
    public void A_missing_agent_or_target_directory_is_a_shortage_too()
    {
        Assert.Contains("/nonexistent/oz does not exist", new Shortages(_enough with { OzPath = "/nonexistent/oz" }).Find(), StringComparison.Ordinal);
        Assert.Contains("/nonexistent", new Shortages(_enough with { TargetDir = "/nonexistent" }).Find(), StringComparison.Ordinal);
    }
}
