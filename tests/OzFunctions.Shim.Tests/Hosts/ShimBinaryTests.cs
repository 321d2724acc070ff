using OzFunctions.Direct.Shims;

namespace OzFunctions.Shim.Tests.Hosts;

public sealed class ShimBinaryTests
{
    [Fact(Timeout = 180_000)]
    public async Task Installing_is_idempotent_concurrent_and_mends_a_broken_copy()
    {
        using var temp = new TempDirectory();
        var source = ShimBinary.Beside(AppContext.BaseDirectory);

        var paths = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ShimBinary.InstallAsync(source, temp.Path, ShimRig.Cancellation)));
        var path = Assert.Single(paths.Distinct());
        var written = File.GetLastWriteTimeUtc(path);
        var again = await ShimBinary.InstallAsync(Path.GetDirectoryName(source)!, temp.Path, ShimRig.Cancellation);

        Assert.Equal(path, again);
        Assert.Equal(written, File.GetLastWriteTimeUtc(path));
        Assert.Matches("/\\.ozf/bin/[0-9a-f]{64}/ozf-shim$", path);
        Assert.Equal(["host-", "ozf-s"], Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!).Select(entry => Path.GetFileName(entry)[..5]).Order());
        Assert.Equal(await File.ReadAllBytesAsync(source, ShimRig.Cancellation), await File.ReadAllBytesAsync(path, ShimRig.Cancellation));

        await File.WriteAllTextAsync(path, "broken", ShimRig.Cancellation);
        await ShimBinary.InstallAsync(source, temp.Path, ShimRig.Cancellation);
        Assert.Equal(new FileInfo(source).Length, new FileInfo(path).Length);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_that_another_account_could_replace_is_not_taken()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root");
        using var temp = new TempDirectory();
        var source = ShimBinary.Beside(AppContext.BaseDirectory);
        var path = await ShimBinary.InstallAsync(source, temp.Path, ShimRig.Cancellation);

        // The file alone is made anew, whatever is in it.
        Assert.Equal(0, Signals.ChangeOwner(path, 12345, 12345));
        var again = await ShimBinary.InstallAsync(source, temp.Path, ShimRig.Cancellation);
        Assert.Equal(0u, Direct.Posix.Libc.FindFacts(again)!.Value.Owner);

        Assert.Equal(0, Signals.ChangeOwner(Path.GetDirectoryName(path)!, 12345, 12345));
        var refused = await Assert.ThrowsAsync<ShimException>(() => ShimBinary.InstallAsync(source, temp.Path, ShimRig.Cancellation));
        Assert.Contains("belongs to another user", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_shim_is_a_sentence()
    {
        using var temp = new TempDirectory();

        var missing = await Assert.ThrowsAsync<ShimException>(() => ShimBinary.InstallAsync("/no/such/file", temp.Path, ShimRig.Cancellation));

        Assert.Contains("/no/such/file", missing.Message, StringComparison.Ordinal);
    }
}
