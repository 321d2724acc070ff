using OzFunctions.Direct.Accounts;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Limits;

/// <summary><c>backend.direct.user</c>: a whole attempt as another account.</summary>
public sealed class OtherAccountTests
{
    [Fact(Timeout = 180_000)]
    public async Task A_run_of_another_account_has_all_its_steps_in_what_is_its_own()
    {
        await using var rig = Start();
        rig.Options = rig.Options with
        {
            SetupCommand = "id -un; git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m start && git config --global alias.x y; echo FROM_SETUP=1 >> \"$OZ_ENVIRONMENT_FILE\"",
            TeardownCommand = "id -un; ls",
        };
        rig.UseScript("id -un; echo \"home $HOME, setup $FROM_SETUP\"; cat \"$OZF_REQUEST_FILE\" >/dev/null && echo asked; echo new > added; echo kept > \"$OZ_ARTIFACTS_DIR/a\"; : > \"$TMPDIR/t\"; stat -c %U . added; exit 0", open: true);
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        var log = rig.LogOf(attempt);
        Assert.True(outcome.Reason == RunReason.Completed, outcome.Message + log);
        Assert.Contains("setup: nobody\n", log, StringComparison.Ordinal);
        Assert.Contains($"out: nobody\nout: home {rig.Options.User!.Home}, setup 1\nout: asked\nout: nobody\nout: nobody\n", log, StringComparison.Ordinal);
        Assert.Contains("teardown: nobody\nteardown: added\n", log, StringComparison.Ordinal);
        Assert.Equal("kept\n", rig.ArtifactOf(attempt, "a"));
        Assert.Contains("+new", rig.ArtifactOf(attempt, "changes.patch"), StringComparison.Ordinal);
        Assert.Null(outcome.Attempt.Warnings);
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
    }

    [Fact(Timeout = 180_000)]
    public async Task Files_of_the_host_and_of_other_attempts_are_closed_to_the_agent()
    {
        await using var rig = Start();
        var secret = rig.Temp.Write("host/secret", "a key of the host");
        File.SetUnixFileMode(secret, (UnixFileMode)0x180);
        var data = Directory.CreateDirectory(rig.Temp["data"], (UnixFileMode)0x1C0).FullName;
        rig.Temp.Write("data/record", "a record");
        using var other = rig.Claim(new RunRequest { Prompt = "other" });
        var theirs = rig.PrivateOf(other);
        var mine = "\"$(dirname \"$OZ_ARTIFACTS_DIR\")\"";
        string[] attempts =
        [
            $"cat {secret}", $"cat {data}/record", $"ls {data}", $"ls {rig.Root}", $"ls {rig.Root}/.ozf", $"ls {theirs}", $"cat {theirs}/intent.json", $"cat {theirs}/lock", $"flock -n {theirs}/lock true",
            $"cat {mine}/secrets.json", $"cat {mine}/journal.ndjson", $"cat {mine}/status.json", $"cat {mine}/spool/0*", $"ls {mine}", $"touch {mine}/x", $"mv {mine}/tmp {mine}/tmp2", $"rm -f {mine}/environment",
            $"cat /proc/{Environment.ProcessId}/environ", $"kill -9 {Environment.ProcessId}", "kill -9 $PPID", "cat /proc/$PPID/environ", "cat /etc/shadow",
        ];
        rig.UseScript(string.Join('\n', attempts.Select((attempt, number) => $"({attempt}) >/dev/null 2>&1 && echo 'possible: {number}'")) + "\necho tried; exit 0", open: true);
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        var log = rig.LogOf(attempt);
        Assert.True(outcome.Reason == RunReason.Completed, outcome.Message + log);
        Assert.DoesNotContain("possible", log, StringComparison.Ordinal);
        Assert.Contains("out: tried\n", log, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task The_host_writes_and_reads_nothing_through_a_link_that_the_agent_left()
    {
        await using var rig = Start();
        var precious = rig.Temp.Write("host/precious", "untouched");
        File.SetUnixFileMode(precious, (UnixFileMode)0x180);
        rig.Options = rig.Options with { SetupCommand = "git init -q ." };
        rig.UseScript(
            $"changes=\"$(dirname \"$OZ_ARTIFACTS_DIR\")/changes\"; ln -s {precious} \"$changes/exclude\"; ln -s {precious} \"$changes/0.patch\"; ln -s {precious} \"$OZ_ARTIFACTS_DIR/stolen\"; ln -s {precious} .git/info/stolen; echo x > new; exit 0",
            open: true);
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Equal("untouched", File.ReadAllText(precious));
        Assert.DoesNotContain("untouched", string.Join('\n', rig.ManifestOf(attempt).Where(entry => entry.LeftOut is null).Select(entry => rig.ArtifactOf(attempt, entry.Path))), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_attempt_keeps_the_account_that_it_began_with()
    {
        await using var rig = Start();
        rig.Options = rig.Options with { SetupCommand = $"id -un; touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done", TeardownCommand = "id -un" };
        rig.UseScript("id -un; cat \"$OZF_REQUEST_FILE\" >/dev/null && echo asked; : > added; : > \"$OZ_ARTIFACTS_DIR/a\"; exit 0", open: true);
        File.SetUnixFileMode(rig.Temp.Path, (UnixFileMode)0x1FF);
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        rig.Options = rig.Options with { User = null };
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        rig.Temp.Write("go", "");
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        var log = rig.LogOf(second);
        Assert.True(outcome.Reason == RunReason.Completed, outcome.Message + log);
        Assert.All(["setup: nobody\n", "out: nobody\nout: asked\n", "teardown: nobody\n"], line => Assert.Contains(line, log, StringComparison.Ordinal));
        Assert.Null(outcome.Attempt.Warnings);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_agent_is_asked_for_its_version_as_that_account()
    {
        await using var rig = Start();
        rig.Options = rig.Options with { AsksVersion = true, VersionTimeout = TimeSpan.FromMinutes(2), OzPath = rig.Temp.Write("bin/oz", "#!/bin/sh\n[ \"$1\" = --version ] && echo \"$(id -un) $(id -Gn) $HOME\"; exit 0\n", executable: true) };
        File.SetUnixFileMode(Path.GetDirectoryName(rig.Options.OzPath)!, (UnixFileMode)0x1ED);
        File.SetUnixFileMode(rig.Options.OzPath, (UnixFileMode)0x1ED);

        var outcome = await rig.RunAsync(new RunRequest { Prompt = "x" });

        Assert.Equal((RunReason.Completed, $"nobody nogroup {rig.Options.User!.Home}"), (outcome.Reason, outcome.Attempt.AgentVersion));
    }

    [Fact]
    public void An_account_that_does_not_exist_or_is_root_is_refused()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root");

        Assert.Contains("there is no such account on this machine", Assert.Throws<AccountException>(() => Account.Get("no-such-account")).Message, StringComparison.Ordinal);
        Assert.Contains("is root itself", Assert.Throws<AccountException>(() => Account.Get("root")).Message, StringComparison.Ordinal);
        Assert.Equal(65534, Account.Get("nobody").Uid);
    }

    [Fact]
    public void An_account_is_kept_out_by_any_closed_directory_on_the_way()
    {
        using var temp = new TempDirectory();
        var program = temp.Write("a/b/program", "");
        var account = new Account("stranger", 12345, 12345, [12345], "/");

        Assert.Equal($"stranger cannot enter {temp.Path}", AccountAccess.FindObstacle(account, program));
        File.SetUnixFileMode(temp.Path, (UnixFileMode)0x1C9);
        File.SetUnixFileMode(program, (UnixFileMode)0x1C0);
        Assert.Equal($"stranger cannot execute {program}", AccountAccess.FindObstacle(account, program));
        File.SetUnixFileMode(program, (UnixFileMode)0x1ED);
        Assert.Null(AccountAccess.FindObstacle(account, program));
    }

    [Fact]
    public void Whoever_can_replace_what_lies_in_a_directory_or_on_the_way_to_it_is_named()
    {
        using var temp = new TempDirectory();
        var root = Directory.CreateDirectory(temp["a/root"]).FullName;
        File.CreateSymbolicLink(temp["link"], "a/root");
        Assert.Null(AccountAccess.FindIntruder(root));
        Assert.Null(AccountAccess.FindIntruder(temp["link"]));
        Assert.Null(AccountAccess.FindIntruder(temp["a/root/not/there"]));

        // In another's directory that has the sticky bit, what is ours is safe; what we are yet to make is not.
        File.SetUnixFileMode(temp["a"], (UnixFileMode)0x3FF);
        Assert.Null(AccountAccess.FindIntruder(root));
        Assert.Equal($"{temp["a"]} can be written by others (mode 1777)", AccountAccess.FindIntruder(temp["a"]));
        File.SetUnixFileMode(temp["a"], (UnixFileMode)0x1F8);
        Assert.Equal($"{temp["a"]} can be written by others (mode 0770)", AccountAccess.FindIntruder(root));
        Assert.Equal($"{temp["a"]} can be written by others (mode 0770)", AccountAccess.FindIntruder(temp["link"]));
        File.SetUnixFileMode(temp["a"], (UnixFileMode)0x1ED);
        File.CreateSymbolicLink(temp["turns"], "turns");
        Assert.Contains("too many links", AccountAccess.FindIntruder(temp["turns/x"]), StringComparison.Ordinal);
        if (Environment.IsPrivilegedProcess)
        {
            Give(temp["link"]);
            Assert.Equal($"{temp["link"]} belongs to user 12345", AccountAccess.FindIntruder(temp["link"]));
            Assert.Null(AccountAccess.FindIntruder(root));
            Give(temp["a"]);
            Assert.Equal($"{temp["a"]} belongs to user 12345", AccountAccess.FindIntruder(root));
        }
    }

    [Fact]
    public async Task A_private_directory_that_another_account_made_is_not_taken()
    {
        await using var rig = Start();
        Give(Directory.CreateDirectory(Path.Combine(rig.Root, ".ozf"), (UnixFileMode)0x1C0).FullName);

        var refused = Assert.Throws<IOException>(() => rig.Claim(new RunRequest { Prompt = "x" }));

        Assert.Contains("must be a directory of this user", refused.Message, StringComparison.Ordinal);
    }

    private static void Give(string path) => Assert.Equal(0, Posix.Libc.ChangeOwner(path, 12345, 12345));

    private static BackendRig Start()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root");
        var rig = new BackendRig();
        Directory.CreateDirectory(rig.Root);
        foreach (var directory in (string[])[rig.Temp.Path, rig.Root])
        {
            File.SetUnixFileMode(directory, (UnixFileMode)0x1C9);
        }

        rig.Options = rig.Options with { User = Account.Get("nobody") };
        return rig;
    }
}
