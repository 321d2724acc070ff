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
}
