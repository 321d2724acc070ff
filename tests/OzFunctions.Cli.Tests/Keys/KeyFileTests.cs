using OzFunctions.Cli.Keys;
using OzFunctions.Cli.Unmanaged;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Keys;

/// <summary>With <c>--storage</c> no store makes the data directory; the key, and what <c>ozf exec</c> keeps, lie there all the same.</summary>
public sealed class KeyFileTests : IDisposable
{
    private readonly TempDirectory _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void A_key_in_a_work_tree_of_git_gets_into_no_commit()
    {
        Directory.CreateDirectory(_place[".git"]);

        var key = KeyFile.Ensure(_place["data"]);

        Assert.Equal(key, KeyFile.Read(_place["data/api-key"]));
        Assert.Equal("*\n", File.ReadAllText(_place["data/.gitignore"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_place["data"]));
    }

    [Fact]
    public void What_exec_keeps_in_a_work_tree_of_git_gets_into_no_commit()
    {
        Directory.CreateDirectory(_place[".git"]);

        Assert.Null(new ExecRoot(_place["data/exec"], null).FindFault());

        Assert.Equal("*\n", File.ReadAllText(_place["data/.gitignore"]));
    }
}
