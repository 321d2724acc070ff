namespace OzFunctions.Direct.Tests.Changes;

/// <summary>What the patch holds for each way in which a repository can be used; it is applied to what was there before, and must rebuild what the agent left.</summary>
public sealed class ChangesTests
{
    private const string Base = "git init -q . && echo base >base && echo gone >gone && git add . && git commit -qm base";

    [Theory(Timeout = 180_000)]
    [InlineData("echo 2 >>base && git commit -qam two && echo 3 >>base && git add base && echo 4 >>base && rm gone && echo u >untracked")]
    [InlineData("echo 2 >>base && git commit -qam two && git commit -q --amend -m three && git reflog expire --expire=now --all")]
    [InlineData("git checkout -q -b side && echo s >side && git add . && git commit -qm side && git checkout -q main && echo m >m && git add . && git commit -qm m && git rebase -q main side")]
    [InlineData("git checkout -q -b side && echo s >base && git commit -qam side && git checkout -q main && echo m >base && git commit -qam m && ! git merge -q side && echo u >untracked")]
    [InlineData("git checkout -q -b side && echo s >base && git commit -qam side && git checkout -q main && echo m >base && git commit -qam m && ! git rebase -q side")]
    [InlineData("git checkout -q --detach && echo 2 >>base && git commit -qam two")]
    [InlineData("git mv base renamed && chmod +x gone && ln -s renamed link")]
    [InlineData("printf 'a\\000b\\377' >binary && git add binary && printf 'c\\000d' >>binary && mkdir 'with space' && printf 'caf\\303\\251\\r\\n' >'with space/\u00e4'")]
    [InlineData("git update-index --split-index && echo 2 >>base && git add base && echo n >n")]
    [InlineData("echo '*.log' >.gitignore && echo x >x.log && echo 'hidden' >>.git/info/exclude && echo h >hidden && git add -f x.log && echo y >>x.log")]
    [InlineData("git config core.autocrlf true && printf 'base\\r\\nmore\\r\\n' >base")]
    [InlineData("git rm -q --cached gone && echo back >base")]
    [InlineData("git add -N . && echo i >intent && git add -N intent")]
    [InlineData("git checkout -q --orphan other && git rm -rqf . && echo o >o && git add o && git commit -qm o")]
    [InlineData("echo 2 >>base; git gc -q; git pack-refs --all; rm -f .git/index")]
    public async Task The_patch_rebuilds_what_the_agent_left(string agent)
    {
        using var scene = new ChangesScene();
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync("mkdir $TOP/before && cp -r . $TOP/before/");
        await scene.ShAsync(agent);

        var patch = Assert.Single(await scene.RecordAsync()).Value;

        Assert.True(scene.ExitCode == 0, scene.Log);
        await File.WriteAllTextAsync(scene["p.patch"], patch, System.Text.Encoding.Latin1, TestContext.Current.CancellationToken);
        await scene.ShAsync("rm -rf $TOP/before/.git; cd $TOP/before && git apply --unsafe-paths $TOP/p.patch && cd $TOP/ws && rm -f hidden && diff -r --no-dereference --exclude=.git . $TOP/before && find . -type f -perm -100 -not -path './.git/*' >$TOP/x1 && cd $TOP/before && find . -type f -perm -100 >$TOP/x2 && cmp $TOP/x1 $TOP/x2");
    }

    [Theory(Timeout = 180_000)]
    [InlineData("git init -q . && echo first >first", "+first\n")]
    [InlineData("git init -q --object-format=sha256 . && echo first >first && git add . && git commit -qm first", "+first\n")]
    public async Task A_repository_without_commits_is_compared_with_nothing(string agent, string expected)
    {
        using var scene = new ChangesScene();
        await scene.ShAsync("git init -q ${AGENT_MADE:-.}; rm -rf .git");
        scene.SetupIsOver();
        await scene.ShAsync(agent);

        Assert.Contains(expected, Assert.Single(await scene.RecordAsync()).Value, StringComparison.Ordinal);
        Assert.True(scene.ExitCode == 0, scene.Log);
    }

    [Fact(Timeout = 180_000)]
    public async Task Sha256_shallow_bare_and_late_clones_worktrees_and_submodules_each_have_their_patch()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync("""
            git init -q $TOP/origin; cd $TOP/origin; echo 1 >f; git add f; git commit -qm 1; echo 2 >>f; git commit -qam 2
            git init -q --object-format=sha256 $TOP/ws/sha; cd $TOP/ws/sha; echo 1 >f; git add f; git commit -qm 1
            cd $TOP/ws; git clone -q --depth 1 file://$TOP/origin shallow; git clone -q --bare $TOP/origin bare.git; git -C bare.git worktree add -q -b work ../work
            git clone -q --shared $TOP/origin shared; git init -q outer; cd outer; git submodule --quiet add $TOP/origin sub; git commit -qm outer
            """);
        scene.SetupIsOver();
        await scene.ShAsync("""
            for r in sha shallow work shared outer/sub; do echo "of $r" >>$r/f; done
            git -C work commit -qam work; git -C outer/sub commit -qam sub
            git clone -q $TOP/origin late; echo late >late/new; git -C late worktree add -q ../late-tree; echo tree >late-tree/t
            """);

        var patches = await scene.RecordAsync();

        Assert.True(scene.ExitCode == 0, scene.Log);
        Assert.Equal(
            ["changes/late-tree.patch", "changes/late.patch", "changes/outer.patch", "changes/outer/sub.patch", "changes/sha.patch", "changes/shallow.patch", "changes/shared.patch", "changes/work.patch"],
            patches.Keys.Order(StringComparer.Ordinal));
        foreach (var name in (string[])["sha", "shallow", "work", "shared", "outer/sub"])
        {
            Assert.Contains($"+of {name}\n", patches[$"changes/{name}.patch"], StringComparison.Ordinal);
            Assert.Equal(1, patches[$"changes/{name}.patch"].Split("\n+").Length - 2);
        }

        Assert.Contains("+late\n", patches["changes/late.patch"], StringComparison.Ordinal);
        Assert.DoesNotContain("+1\n", patches["changes/late.patch"], StringComparison.Ordinal);
        Assert.Contains("+tree\n", patches["changes/late-tree.patch"], StringComparison.Ordinal);
        Assert.Matches("-Subproject commit [0-9a-f]{40}\n\\+Subproject commit [0-9a-f]{40}\n", patches["changes/outer.patch"]);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_commit_that_is_gone_leaves_all_files_as_new()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync("git commit -q --amend -m other && echo 2 >>base && git commit -q -a --amend -m other && git reflog expire --expire=now --all && git gc -q --prune=now");

        var patch = Assert.Single(await scene.RecordAsync()).Value;

        Assert.Contains("all files are shown as new", scene.Log, StringComparison.Ordinal);
        Assert.Contains("+base\n+2\n", patch, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_file_of_100_MB_is_named_with_the_reason_and_the_rest_is_recorded()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync(Base);
        scene.SetupIsOver();
        await scene.ShAsync("mkdir out; truncate -s 100M out/huge; truncate -s 100M gone; echo 2 >>base; echo ignored >.gitignore; truncate -s 100M ignored; echo small >small");

        var patch = Assert.Single(await scene.RecordAsync()).Value;

        Assert.True(scene.ExitCode == 0, scene.Log);
        Assert.Contains("+2\n", patch, StringComparison.Ordinal);
        Assert.Contains("+small\n", patch, StringComparison.Ordinal);
        Assert.True(patch.Length < 2_000, $"{patch.Length}");
        Assert.Equal(
            [("gone", 104_857_600L), ("out/huge", 104_857_600L)],
            scene.LeftOut.Select(left => (left.Name, left.Bytes)));
        Assert.All(scene.LeftOut, left => Assert.Equal("larger than 33554432 bytes, the limit for one file in changes.patch", left.LeftOut));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_patch_that_grows_past_the_limit_is_left_out_with_the_reason()
    {
        using var scene = new ChangesScene();
        scene.Options = scene.Options with { Artifacts = new ArtifactLimits { FileBytes = 1 << 20 } };
        await scene.ShAsync("git init -q a && git init -q b");
        scene.SetupIsOver();
        await scene.ShAsync("head -c 3000000 /dev/urandom >a/big; echo small >b/small");

        var patches = await scene.RecordAsync();

        Assert.Equal(["changes/b.patch"], patches.Keys);
        Assert.Equal(("changes/a.patch", "larger than 1048576 bytes, the limit for one artifact"), scene.LeftOut.Select(left => (left.Name, left.LeftOut!)).Single());
        Assert.True(scene.ExitCode == 0, scene.Log);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_broken_repository_is_told_of_and_the_others_are_recorded()
    {
        using var scene = new ChangesScene();
        await scene.ShAsync("git init -q a && git init -q b && mkdir c && echo 'gitdir: /nonexistent' >c/.git");
        scene.SetupIsOver();
        await scene.ShAsync("rm -rf a/.git/objects; echo x >a/x; echo y >b/y");

        var patches = await scene.RecordAsync();

        Assert.Equal(1, scene.ExitCode);
        Assert.Contains("/ws/a could not be recorded", scene.Log, StringComparison.Ordinal);
        Assert.Contains("+y\n", Assert.Single(patches).Value, StringComparison.Ordinal);
    }
}
