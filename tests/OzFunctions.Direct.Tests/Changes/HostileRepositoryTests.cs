namespace OzFunctions.Direct.Tests.Changes;

/// <summary>A repository whose configuration names programs: none of them runs when its changes are recorded, and the patch is there all the same.</summary>
public sealed class HostileRepositoryTests
{
    private const string Base = "git init -q . && echo base >base && echo '*.txt filter=evil diff=evil' >.gitattributes && echo one >a.txt && git add . && git commit -qm base";

    /// <param name="attack">What the agent does to the repository.</param>
    /// <param name="plainGitRunsIt">Whether git as the agent left it runs the program: then the attack is shown to be one.</param>
    [Theory(Timeout = 180_000)]
    [InlineData("git config core.fsmonitor $CANARY", true)]
    [InlineData("git config core.fsmonitor $CANARY; git update-index --fsmonitor", true)]
    [InlineData("git config filter.evil.clean \"$CANARY clean\"", true)]
    [InlineData("git config filter.evil.clean \"$CANARY clean\"; git config filter.evil.smudge \"$CANARY smudge\"; git config filter.evil.required true", true)]
    [InlineData("git config filter.evil.process $CANARY; git config filter.evil.required true", true)]
    [InlineData("git config filter.other.clean \"$CANARY clean\"; echo '* filter=other' >.git/info/attributes", true)]
    [InlineData("git config filter.other.clean \"$CANARY clean\"; git config core.attributesFile $TOP/attributes; echo '* filter=other' >$TOP/attributes", true)]
    [InlineData("git config diff.external $CANARY", true)]
    [InlineData("git config diff.evil.command $CANARY", true)]
    [InlineData("git config diff.evil.textconv $CANARY", true)]
    [InlineData("git config include.path $TOP/included; printf '[core]\\nfsmonitor = %s\\n' $CANARY >$TOP/included", true)]
    [InlineData("git config includeIf.gitdir:/**.path $TOP/included; printf '[diff]\\nexternal = %s\\n' $CANARY >$TOP/included", true)]
    [InlineData("git config extensions.worktreeConfig true; git config core.repositoryFormatVersion 1; git config --worktree core.fsmonitor $CANARY", true)]
    [InlineData("cp $CANARY .git/hooks/post-index-change; cp $CANARY .git/hooks/pre-commit", true)]
    [InlineData("mkdir $TOP/hooks; cp $CANARY $TOP/hooks/post-index-change; git config core.hooksPath $TOP/hooks", true)]
    [InlineData("git config core.pager $CANARY; git config pager.diff $CANARY; git config core.editor $CANARY; git config core.askPass $CANARY", false)]
    [InlineData("git config core.sshCommand $CANARY; git config remote.origin.url ssh://nowhere/x; git config remote.origin.promisor true; git config extensions.partialClone origin; git config core.repositoryFormatVersion 1; git config remote.origin.uploadpack $CANARY", false)]
    [InlineData("git config gpg.program $CANARY; git config commit.gpgSign true; git config log.showSignature true", false)]
    [InlineData("git config alias.add \"!$CANARY\"; git config alias.diff \"!$CANARY\"; git config alias.g \"!$CANARY\"", false)]
    [InlineData("git config credential.helper $CANARY; git config trace2.eventTarget $TOP/trace; git config core.gitProxy $CANARY", false)]
    [InlineData("git config core.bare true", false)]
    [InlineData("git config core.worktree $TOP/elsewhere; mkdir $TOP/elsewhere; echo secret-of-another >$TOP/elsewhere/base", false)]
    [InlineData("git config core.repositoryFormatVersion 99", false)]
    [InlineData("printf 'no [ configuration' >.git/config", false)]
    public async Task No_program_of_a_repository_runs(string attack, bool plainGitRunsIt)
    {
        using var scene = new ChangesScene();
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync(attack);
        if (plainGitRunsIt)
        {
            await scene.ShAsync("echo tried >tried.txt; touch *.txt; git add -A || true; git diff --textconv HEAD >/dev/null || true; git reset -q || true; rm tried.txt");
            Assert.True(scene.CanaryRan, "The attack is none: plain git ran nothing.");
        }

        await scene.ShAsync("echo two >>a.txt; echo new >new.txt");
        File.Delete(scene.CanaryMark);
        var before = scene.Fingerprint();

        var patches = await scene.RecordAsync();

        Assert.False(scene.CanaryRan, attack);
        Assert.True(scene.ExitCode == 0, scene.Log);
        Assert.Equal(before, scene.Fingerprint());
        var patch = Assert.Single(patches).Value;
        Assert.Contains("+two\n", patch, StringComparison.Ordinal);
        Assert.Contains("+new\n", patch, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-of-another", patch, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task No_program_of_a_submodule_runs()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync("git init -q $TOP/origin && cd $TOP/origin && echo 1 >f && git add f && git commit -qm 1 && cd $TOP/ws && git init -q . && git submodule --quiet add $TOP/origin sub && git commit -qm base");
        scene.SetupIsOver();
        await scene.ShAsync("git -C sub config core.fsmonitor $CANARY; git -C sub config filter.evil.clean \"$CANARY clean\"; echo '* filter=evil' >sub/.gitattributes; echo 2 >>sub/f; git add -A || true; git diff >/dev/null");
        Assert.True(scene.CanaryRan, "The attack is none.");
        File.Delete(scene.CanaryMark);

        var patches = await scene.RecordAsync();

        Assert.False(scene.CanaryRan);
        Assert.True(scene.ExitCode == 0, scene.Log);
        Assert.Contains("+2\n", patches["changes/sub.patch"], StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_git_that_setup_put_into_the_workspace_is_not_the_one_that_records()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync("mkdir bin && cp $CANARY bin/git && cp $CANARY bin/grep && echo two >>a.txt");

        var patches = await scene.RecordAsync(
            KeyValuePair.Create("PATH", scene.Workspace + "/bin:/usr/bin:/bin"), KeyValuePair.Create("LD_PRELOAD", "/nonexistent.so"), KeyValuePair.Create("GIT_EXTERNAL_DIFF", scene.Canary), KeyValuePair.Create("GIT_EXEC_PATH", scene.Workspace));

        Assert.False(scene.CanaryRan);
        Assert.Contains("+two\n", Assert.Single(patches).Value, StringComparison.Ordinal);
        Assert.DoesNotContain("preload", scene.Log, StringComparison.OrdinalIgnoreCase);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_git_file_may_point_outside_and_nothing_there_runs_or_is_written()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync("git init -q $TOP/cache && cd $TOP/cache && echo 1 >f && git add f && git commit -qm 1 && git worktree add -q $TOP/ws/tree");
        scene.SetupIsOver();
        await scene.ShAsync("echo 2 >tree/f; git -C tree config core.fsmonitor $CANARY; mkdir linked; echo \"gitdir: $TOP/cache/.git\" >linked/.git; echo 3 >linked/f; rm -f $TOP/canary-ran");
        var before = scene.Fingerprint();

        var patches = await scene.RecordAsync();

        Assert.False(scene.CanaryRan);
        Assert.Equal(before, scene.Fingerprint());
        Assert.Contains("+2\n", patches["changes/tree.patch"], StringComparison.Ordinal);
        Assert.Contains("+3\n", patches["changes/linked.patch"], StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Files_of_strange_kinds_and_names_are_recorded_or_passed_over()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync("mkfifo fifo; ln -s /etc/passwd link; ln -s /proc loop; echo x >\"with 'quotes\\\" and \\$(touch canary)\"; printf x >\"$(printf 'new\\nline')\"; echo x >-n; echo x >:top; mkdir -p 'deep/:(exclude)'; echo y >'deep/:(exclude)/z'");

        var patch = Assert.Single(await scene.RecordAsync()).Value;

        Assert.True(scene.ExitCode == 0, scene.Log);
        Assert.False(File.Exists(scene.Workspace + "/canary"));
        Assert.Contains("+/etc/passwd\n", patch, StringComparison.Ordinal);
        Assert.DoesNotContain("root:", patch, StringComparison.Ordinal);
        Assert.All(["b/-n", "b/:top", "new\\nline", "deep/:(exclude)/z"], name => Assert.Contains(name, patch, StringComparison.Ordinal));
        Assert.DoesNotContain("fifo", patch, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Directories_that_cannot_be_looked_into_do_not_cost_the_patch()
    {
        using var scene = new ChangesScene();
        scene.Options = scene.Options with { ChangesFileBytes = 1_000 };
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync("echo two >>a.txt; head -c 2000 /dev/zero >zz; mkdir \"$(printf 'a\\377b')\"; echo x >\"$(printf 'a\\377b')/c\"; n=$(printf '%0200d' 0); for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do mkdir $n; cd $n || break; done");

        var patch = Assert.Single(await scene.RecordAsync()).Value;

        Assert.True(scene.ExitCode == 0, scene.Log);
        Assert.Contains("+two\n", patch, StringComparison.Ordinal);
        Assert.Equal("zz", Assert.Single(scene.LeftOut).Name);
    }
}
