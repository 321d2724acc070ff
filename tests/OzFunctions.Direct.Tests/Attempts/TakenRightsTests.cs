using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Tests.Attempts;

/// <summary>What a command of the host's account took from the host is given back, and nothing else is touched.</summary>
public sealed class TakenRightsTests : IDisposable
{
    private const UnixFileMode None = UnixFileMode.None;
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly TempDirectory _temp = new();

    public void Dispose()
    {
        foreach (var path in Directory.GetFileSystemEntries(_temp.Path, "*", SearchOption.AllDirectories).Where(path => new FileInfo(path).LinkTarget is null))
        {
            File.SetUnixFileMode(path, Owner);
        }

        _temp.Dispose();
    }

    [Fact]
    public void The_way_to_a_file_and_the_file_itself_are_given_back()
    {
        var file = _temp.Write("root/.ozf/0123456789abcdef/spool/0000000000.spool", "x");
        var beside = _temp.Write("root/.ozf/0123456789abcdef/journal.ndjson", "x");
        string[] way = [_temp["root/.ozf/0123456789abcdef"], _temp["root/.ozf/0123456789abcdef/spool"]];
        File.SetUnixFileMode(file, None);
        File.SetUnixFileMode(beside, None);
        File.SetUnixFileMode(way[1], UnixFileMode.GroupExecute);
        File.SetUnixFileMode(way[0], None);

        Assert.True(TakenRights.GiveBack(file));

        Assert.Equal([Owner, Owner | UnixFileMode.GroupExecute], way.Select(File.GetUnixFileMode));
        Assert.Equal((UnixFileMode.UserRead | UnixFileMode.UserWrite, None), (File.GetUnixFileMode(file), File.GetUnixFileMode(beside)));
        Assert.False(TakenRights.GiveBack(file));
    }

    [Fact]
    public void No_link_is_followed_and_nothing_outside_is_touched()
    {
        var precious = _temp.Write("root/elsewhere/precious", "x");
        _temp.Write("root/.ozf/0123456789abcdef/lock", "");
        Directory.CreateSymbolicLink(_temp["root/.ozf/0123456789abcdef/spool"], _temp["root/elsewhere"]);
        File.CreateSymbolicLink(_temp["root/.ozf/0123456789abcdef/status.json"], precious);
        Directory.CreateSymbolicLink(_temp["root/.ozf/0123456789abcde0"], _temp["root/elsewhere"]);
        File.SetUnixFileMode(precious, None);

        foreach (var path in (string[])[".ozf/0123456789abcdef/spool/precious", ".ozf/0123456789abcdef/status.json", ".ozf/0123456789abcde0/precious", "elsewhere/precious", ".ozf/notes/x", ".ozf/0123456789abcdef/gone"])
        {
            Assert.False(TakenRights.GiveBack(_temp["root/" + path]), path);
        }

        Assert.Equal(None, File.GetUnixFileMode(precious));
    }
}
