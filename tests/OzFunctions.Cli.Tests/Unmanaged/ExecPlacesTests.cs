using OzFunctions.Cli.Unmanaged;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Unmanaged;

/// <summary>Which directories of this machine <c>ozf exec</c> keeps runs in.</summary>
public sealed class ExecPlacesTests
{
    [Fact]
    public async Task A_directory_that_another_account_put_there_is_not_taken()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can give a directory away");
        using var place = new TempDirectory();
        Assert.Null(ExecPlaces.FindFault(place["spool"]));

        var given = await TestProcess.RunAsync("/bin/chown", ["54321", place["spool"]], TestContext.Current.CancellationToken);

        Assert.True(given.ExitCode == 0, given.Errors);
        Assert.Contains("belongs to another account", ExecPlaces.FindFault(place["spool"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_place_below_a_spool_of_another_account_is_not_taken_though_it_would_be_this_ones()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can give a directory away");
        using var place = new TempDirectory();
        var root = ExecPlaces.RootOfSpool(place["spool"]);
        Assert.Null(root.FindFault());
        Assert.True(root.IsOwn);

        var given = await TestProcess.RunAsync("/bin/chown", ["54321", place["spool"]], TestContext.Current.CancellationToken);

        Assert.True(given.ExitCode == 0, given.Errors);
        Assert.True(ExecPlaces.IsOwn(root.Path));
        Assert.Contains("belongs to another account", root.FindFault(), StringComparison.Ordinal);
        Assert.False(root.IsOwn);
    }
}
