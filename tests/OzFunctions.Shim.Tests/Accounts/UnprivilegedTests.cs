using System.Diagnostics;
using OzFunctions.Shim.Tests.Commands;

namespace OzFunctions.Shim.Tests.Accounts;

/// <summary>The same proofs once more by an ordinary user: this program, started as one.</summary>
public sealed class UnprivilegedTests
{
    private const int Nobody = 65534;

    [Theory(Timeout = 900_000)]
    [InlineData("DescendantTests", "BombTests")]
    [InlineData("ClockTests", "HostLossTests", "ExecutionTests")]
    [InlineData("LimitTests", "PreviousVersionTests", "SweepTests", "EndsWithHostTests")]
    public async Task The_proofs_hold_for_an_ordinary_user(params string[] classes)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/usr/bin/setpriv"), "needs root and setpriv, to become an ordinary user");
        await using var group = classes.Contains("BombTests") ? await PidsGroup.GetAsync() : null;
        group?.GiveTo(Nobody);
        using var temp = new TempDirectory();
        Assert.Equal(0, Signals.ChangeOwner(temp.Path, Nobody, Nobody));
        var start = new ProcessStartInfo("/usr/bin/setpriv")
        {
            ArgumentList =
            {
                "--reuid", $"{Nobody}", "--regid", $"{Nobody}", "--clear-groups",
                Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests"), "--no-progress", "--results-directory", temp.Path, "--filter-class",
            },
            WorkingDirectory = temp.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["HOME"] = temp.Path, ["TMPDIR"] = temp.Path, [PidsGroup.Given] = group?.Path ?? "", ["DOTNET_EnableDiagnostics"] = "0" },
        };
        foreach (var name in classes)
        {
            start.ArgumentList.Add("*." + name);
        }

        if (group is null)
        {
            start.Environment.Remove(PidsGroup.Given);
        }

#pragma warning disable RS0030 // A whole run of these tests is no command of a run: it starts shims itself.
        using var tests = Process.Start(start)!;
#pragma warning restore RS0030
        var errors = tests.StandardError.ReadToEndAsync(ShimRig.Cancellation);
        var output = await tests.StandardOutput.ReadToEndAsync(ShimRig.Cancellation);
        await tests.WaitForExitAsync(ShimRig.Cancellation);

        Assert.True(tests.ExitCode == 0, output + await errors);
        Assert.Contains("failed: 0", output, StringComparison.Ordinal);
        Assert.Matches("succeeded: [1-9]", output);
        Assert.Contains("skipped: 0", output, StringComparison.Ordinal);
    }
}
