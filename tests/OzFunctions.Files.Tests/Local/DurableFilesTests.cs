using OzFunctions.Local;
using OzFunctions.Testing;

namespace OzFunctions.Files.Local;

public sealed class DurableFilesTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_new_file_is_written_once_and_is_private()
    {
        var path = _directory["intent.json"];

        Assert.True(DurableFiles.WriteNew(path, "one"u8));
        Assert.False(DurableFiles.WriteNew(path, "two"u8));

        Assert.Equal("one", File.ReadAllText(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void Replacing_leaves_the_new_content_and_nothing_beside_it()
    {
        var path = _directory["outcome.json"];

        DurableFiles.Replace(path, "one"u8);
        DurableFiles.Replace(path, "two"u8);

        Assert.Equal("two", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void A_directory_has_one_maker_and_is_private()
    {
        var path = _directory["attempt"];

        Assert.True(DurableFiles.CreateDirectory(path));
        Assert.False(DurableFiles.CreateDirectory(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
        Assert.Throws<FileNotFoundException>(() => DurableFiles.CreateDirectory(_directory["a", "b"]));
    }

    [Fact]
    public void Of_many_makers_of_one_file_one_wins()
    {
        for (var round = 0; round < 50; round++)
        {
            var path = _directory[$"{round}"];
            var won = new int[4];
            Parallel.For(0, won.Length, writer => won[writer] = DurableFiles.WriteNew(path, [(byte)('0' + writer)]) ? 1 : 0);

            Assert.Equal(1, won.Sum());
            Assert.Equal($"{Array.IndexOf(won, 1)}", File.ReadAllText(path));
        }
    }

    [Fact]
    public void Facts_tell_size_kind_and_time_of_a_file()
    {
        var path = _directory["file"];
        File.WriteAllText(path, "12345");
        var time = new DateTime(2026, 1, 2, 3, 4, 5, 678, DateTimeKind.Utc).AddTicks(1234);
        File.SetLastWriteTimeUtc(path, time);

        Assert.True(FileFacts.Find(path, out var facts).Ok);
        Assert.Equal((5, time.Ticks, true, false), (facts.Length, facts.ModifiedTicks, facts.IsFile, facts.IsDirectory));
        Assert.True(FileFacts.Find(_directory.Path, out var directory).Ok);
        Assert.True(directory.IsDirectory);
        Assert.Equal(PosixError.NotFound, FileFacts.Find(_directory["absent"], out _));

        using var file = File.OpenHandle(path);
        Assert.True(FileFacts.Find(file, out var opened).Ok);
        Assert.Equal(facts, opened);
    }

    [Fact]
    public void A_time_before_1970_is_kept_to_the_tick()
    {
        var path = _directory["file"];
        Assert.True(PosixFiles.CreateNew(path, out var file).Ok);
        using (file)
        {
            var ticks = new DateTime(1969, 12, 31, 23, 59, 58).Ticks + 7;
            Assert.True(PosixFiles.SetModified(file, ticks).Ok);
            Assert.True(FileFacts.Find(file, out var facts).Ok);
            Assert.Equal(ticks, facts.ModifiedTicks);
        }
    }

    [Fact]
    public void This_disk_is_local_and_network_ones_are_known_by_name()
    {
        Assert.Null(NetworkFileSystems.Find(_directory["not", "there", "yet"]));
        Assert.Equal("nfs", NetworkFileSystems.NameOf(0x6969));
        Assert.Equal("fuse", NetworkFileSystems.NameOf(0x65735546));
        Assert.Null(NetworkFileSystems.NameOf(0xef53));
    }

    [Fact]
    public void A_process_can_be_closed_to_others_of_its_user()
    {
        const int GetDumpable = 3;
        var before = Libc.Prctl(GetDumpable, 0, 0, 0, 0);
        try
        {
            Assert.True(ProcessDumpable.Disable());
            Assert.Equal(0, Libc.Prctl(GetDumpable, 0, 0, 0, 0));
        }
        finally
        {
            Libc.Prctl(Libc.SetDumpable, (nuint)before, 0, 0, 0);
        }
    }
}
