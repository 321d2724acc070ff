using OzFunctions.Direct.Changes;

namespace OzFunctions.Direct.Tests.Changes;

public sealed class RepositoriesTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact(Timeout = 180_000)]
    public async Task Heads_are_read_without_running_git()
    {
        await ShAsync("git init -q a && cd a && echo 1 >f && git add f && git commit -qm one && cd .. && git clone -q a sub/b && cd sub/b && git checkout -q --detach && cd ../.. && git init -q empty");
        await ShAsync("cd a && git pack-refs --all && cd .. && git -C a worktree add -q ../tree");
        var head = (await TestProcess.ReadAsync("/usr/bin/git", ["-C", _temp["a"], "rev-parse", "HEAD"], TestContext.Current.CancellationToken)).Output.Trim();

        var heads = Repositories.ReadHeads(_temp.Path);

        Assert.Equal(["a", "empty", "sub/b", "tree"], heads.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([head, head, head], [heads["a"], heads["sub/b"], heads["tree"]]);
        Assert.Equal(Repositories.Empty, heads["empty"]);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_clone_began_with_what_was_cloned_and_a_new_repository_with_nothing()
    {
        await ShAsync("git init -q a && cd a && echo 1 >f && git add f && git commit -qm one && cd .. && git clone -q a b && cd b && echo 2 >f && git commit -qam two");
        var cloned = (await TestProcess.ReadAsync("/usr/bin/git", ["-C", _temp["a"], "rev-parse", "HEAD"], TestContext.Current.CancellationToken)).Output.Trim();

        Assert.Equal(cloned, Repositories.FindBeginning(_temp["b"]));
        Assert.Equal(Repositories.Empty, Repositories.FindBeginning(_temp["a"]));
    }

    [Fact]
    public void Strange_repositories_have_no_head()
    {
        _temp.Write("a/.git/HEAD", "ref: ../../../etc/passwd\n");
        _temp.Write("b/.git/HEAD", "rm -rf /\n");
        _temp.Write("c/.git", "gitdir: /nonexistent\n");
        Directory.CreateDirectory(_temp["d/.git"]);

        Assert.All(Repositories.ReadHeads(_temp.Path).Values, head => Assert.Equal(Repositories.Empty, head));
    }

    private async Task ShAsync(string script)
    {
        var identity = "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t; set -e; cd \"$1\"; ";
        var (exitCode, output) = await TestProcess.ReadAsync("/bin/sh", ["-c", identity + script, "sh", _temp.Path], TestContext.Current.CancellationToken);
        Assert.True(exitCode == 0, output);
    }
}
