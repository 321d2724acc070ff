using OzFunctions.Direct.Workspaces;

namespace OzFunctions.Direct.Tests.Workspaces;

public sealed class TreeRemoverTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task A_link_is_removed_and_what_it_names_stays()
    {
        _temp.Write("kept/file", "x");
        _temp.Write("tree/inside/file", "x");
        File.CreateSymbolicLink(_temp["tree/to-directory"], _temp["kept"]);
        File.CreateSymbolicLink(_temp["tree/to-file"], _temp["kept/file"]);
        File.CreateSymbolicLink(_temp["tree/to-nothing"], "/nonexistent");

        Assert.Null(await RemoveAsync("tree"));

        Assert.False(Directory.Exists(_temp["tree"]));
        Assert.True(File.Exists(_temp["kept/file"]));
    }

    [Fact]
    public async Task A_link_in_place_of_the_tree_is_removed_alone()
    {
        _temp.Write("kept/file", "x");
        File.CreateSymbolicLink(_temp["tree"], _temp["kept"]);

        Assert.Null(await RemoveAsync("tree"));

        Assert.True(File.Exists(_temp["kept/file"]));
        Assert.False(Path.Exists(_temp["tree"]));
    }

    [Fact]
    public async Task Read_only_directories_are_opened_up()
    {
        _temp.Write("tree/a/b/file", "x");
        File.SetUnixFileMode(_temp["tree/a/b"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.SetUnixFileMode(_temp["tree/a"], UnixFileMode.None);

        Assert.Null(await RemoveAsync("tree"));

        Assert.False(Directory.Exists(_temp["tree"]));
    }

    [Fact]
    public async Task A_deep_tree_is_removed_without_running_out_of_anything()
    {
        var path = _temp["tree"];
        Directory.CreateDirectory(path);
        var deep = path;
        for (var level = 0; level < 1_500; level++)
        {
            deep += "/d";
            Directory.CreateDirectory(deep);
        }

        Assert.Null(await RemoveAsync("tree"));

        Assert.False(Directory.Exists(path));
    }

    [Fact]
    public async Task Names_that_are_not_text_are_removed_too()
    {
        Directory.CreateDirectory(_temp["tree"]);
        await TestProcess.RunAsync("/bin/sh", ["-c", "cd \"$1\" && touch \"$(printf 'a\\377b')\" && mkdir \"$(printf 'c\\377d')\" && mkfifo fifo", "sh", _temp["tree"]], Cancellation);

        Assert.Null(await RemoveAsync("tree"));

        Assert.False(Directory.Exists(_temp["tree"]));
    }

    [Fact]
    public async Task What_is_absent_is_fine() => Assert.Null(await RemoveAsync("absent"));

    [Fact(Timeout = 180_000)]
    public async Task A_mount_point_is_left_alone()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "mounting needs root");
        _temp.Write("kept/file", "x");
        Directory.CreateDirectory(_temp["tree/mounted"]);
        Assert.SkipUnless(await TestProcess.RunAsync("/bin/mount", ["--bind", _temp["kept"], _temp["tree/mounted"]], Cancellation) == 0, "this machine does not let root mount");
        try
        {
            Assert.Contains("is a mount point", TreeRemover.RemoveOnce(_temp["tree"]), StringComparison.Ordinal);
            Assert.True(File.Exists(_temp["kept/file"]));
        }
        finally
        {
            await TestProcess.RunAsync("/bin/umount", [_temp["tree/mounted"]], Cancellation);
        }

        Assert.Null(await RemoveAsync("tree"));
        Assert.True(File.Exists(_temp["kept/file"]));
    }

    private Task<string?> RemoveAsync(string name) => new TreeRemover(TimeProvider.System).RemoveAsync(_temp[name], Cancellation);
}
