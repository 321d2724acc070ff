using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Changes;

/// <summary>The recording of changes as a phase of a whole attempt: what is kept as the agent's changes is what git wrote, whole, and nothing else.</summary>
public sealed class RecordingTests
{
    private const int Limit = 180_000;

    [Fact(Timeout = Limit)]
    public async Task A_patch_that_git_could_not_finish_in_time_is_not_kept()
    {
        await using var rig = NewRig("echo half of a patch; exec sleep 600");
        rig.Options = rig.Options with { ChangesTimeout = TimeSpan.FromSeconds(2) };
        rig.UseScript("echo real > new; : > \"$OZ_ARTIFACTS_DIR/kept\"; exit 0");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Contains("The changes of the run took too long to record and were left out.", outcome.Attempt.Warnings!);
        Assert.Equal("kept", Assert.Single(rig.ManifestOf(attempt)).Path);
    }

    [Theory(Timeout = Limit)]
    [InlineData(null)]
    [InlineData(false)]
    public async Task A_patch_that_the_agent_planted_is_not_taken_for_its_changes(bool? changes)
    {
        await using var rig = NewRig();
        rig.UseScript("d=\"$OZ_ARTIFACTS_DIR/../changes\"; mkdir \"$d/exclude\"; echo planted > \"$d/0.patch\"; printf 'large\\0' > \"$d/0.patch.changed\"; : > \"$OZ_ARTIFACTS_DIR/kept\"; echo real > new; exit 0");
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Changes = changes });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Null(outcome.Attempt.Warnings);
        if (changes == false)
        {
            Assert.Equal("kept", Assert.Single(rig.ManifestOf(attempt)).Path);
        }
        else
        {
            var patch = rig.ArtifactOf(attempt, "changes.patch");
            Assert.Contains("+real\n", patch, StringComparison.Ordinal);
            Assert.DoesNotContain("planted", patch, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_patch_that_the_agent_planted_in_place_of_the_directory_leads_nowhere()
    {
        await using var rig = NewRig();
        var elsewhere = rig.Temp.Write("elsewhere/0.patch", "planted");
        rig.UseScript($"cd \"$OZ_ARTIFACTS_DIR/..\" && mv changes old && ln -s {Path.GetDirectoryName(elsewhere)} changes && cd - && echo real > new; exit 0");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        Assert.Equal(RunReason.Completed, (await rig.RunAsync(attempt)).Reason);

        Assert.Contains("+real\n", rig.ArtifactOf(attempt, "changes.patch"), StringComparison.Ordinal);
        Assert.Equal("planted", File.ReadAllText(elsewhere));
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_adopts_while_git_records_keeps_its_patch()
    {
        await using var rig = NewRig("touch \"$MARKS/started\"; while [ ! -e \"$MARKS/go\" ]; do sleep 0.02; done; exec \"$real\" \"$@\"");
        rig.UseScript("echo real > new; exit 0");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var running = backend.RunAsync(second, BackendRig.Cancellation);
        rig.Temp.Write("go", "");

        Assert.Equal(RunReason.Completed, (await running).Reason);
        Assert.Contains("+real\n", rig.ArtifactOf(second, "changes.patch"), StringComparison.Ordinal);
    }

    /// <param name="writing">What stands in for the git that writes the patch.</param>
    private static BackendRig NewRig(string writing = "exec \"$real\" \"$@\"")
    {
        var rig = new BackendRig();
        rig.Temp.Write("bin/git", $$"""
            #!/bin/sh
            PATH=/usr/local/bin:/usr/bin:/bin
            real=$(command -v git)
            case " $* " in
                *" diff --binary "*) {{writing}} ;;
                *) exec "$real" "$@" ;;
            esac
            """, executable: true);
        rig.Options = rig.Options with
        {
            SetupCommand = "git init -q .",
            HostEnvironment = new Dictionary<string, string>(rig.Options.HostEnvironment) { ["PATH"] = rig.Temp["bin"] + ":/usr/local/bin:/usr/bin:/bin" },
            Environment = [.. rig.Options.Environment, new("MARKS", rig.Temp.Path)],
        };
        return rig;
    }
}
