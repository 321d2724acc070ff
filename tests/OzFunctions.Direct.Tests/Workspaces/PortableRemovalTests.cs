using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Tests.Workspaces;

/// <summary>Removal as it is on systems that are not Linux.</summary>
public sealed class PortableRemovalTests : IDisposable
{
    private const UnixFileMode ReadOnly = UnixFileMode.UserRead;

    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void What_lies_behind_a_link_keeps_its_mode_and_a_link_in_a_circle_is_no_obstacle()
    {
        _temp.Write("kept/inside/file", "x");
        File.SetUnixFileMode(_temp["kept/inside/file"], ReadOnly);
        _temp.Write("tree/inside/file", "x");
        File.CreateSymbolicLink(_temp["tree/inside/to-directory"], _temp["kept"]);
        File.CreateSymbolicLink(_temp["tree/to-file"], _temp["kept/inside/file"]);
        File.CreateSymbolicLink(_temp["tree/loop"], ".");

        Assert.Null(PortableCalls.Remove(_temp["tree"]));

        Assert.False(Path.Exists(_temp["tree"]));
        Assert.Equal(ReadOnly, File.GetUnixFileMode(_temp["kept/inside/file"]));
    }

    [Fact]
    public void Read_only_files_and_directories_are_removed()
    {
        _temp.Write("tree/a/b/file", "x");
        File.SetUnixFileMode(_temp["tree/a/b/file"], ReadOnly);
        foreach (var directory in (string[])["tree/a/b", "tree/a", "tree"])
        {
            File.SetUnixFileMode(_temp[directory], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        Assert.Null(PortableCalls.Remove(_temp["tree"]));

        Assert.False(Path.Exists(_temp["tree"]));
    }
}
