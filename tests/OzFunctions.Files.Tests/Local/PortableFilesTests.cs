using OzFunctions.Local;
using OzFunctions.Testing;

namespace OzFunctions.Files.Local;

/// <summary>What stands in for Linux' calls answers as they do, wherever the store relies on it.</summary>
public sealed class PortableFilesTests : IDisposable
{
    private readonly TempDirectory _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void A_name_is_given_once_and_a_claimed_file_is_gone_for_others()
    {
        Assert.True(PortableFiles.CreateNew(_place["one"], out var file).Ok);
        file.Dispose();
        Assert.Equal(PosixError.Exists, PortableFiles.CreateNew(_place["one"], out var second));
        second.Dispose();
        File.WriteAllText(_place["two"], "2");

        Assert.Equal(PosixError.Exists, PortableFiles.Link(_place["two"], _place["one"]));
        Assert.True(PortableFiles.Link(_place["two"], _place["three"]).Ok);
        Assert.True(PortableFiles.Rename(_place["three"], _place["one"]).Ok);
        Assert.Equal(PosixError.NotFound, PortableFiles.Rename(_place["three"], _place["one"]));
        Assert.Equal("2", File.ReadAllText(_place["one"]));
    }

    [Fact]
    public void What_is_absent_or_in_the_way_is_told_as_Linux_tells_it()
    {
        Assert.Equal(PosixError.NotFound, PortableFiles.OpenRead(_place["none"], out var none));
        none.Dispose();
        Assert.Equal(PosixError.NotFound, PortableFiles.Unlink(_place["none"]));
        Assert.Equal(PosixError.NotFound, PortableFiles.MakeDirectory(_place["none/below"]));
        Assert.Equal(PosixError.NotFound, PortableFiles.Find(_place["none"], out _));
        Assert.True(PortableFiles.MakeDirectory(_place["directory"]).Ok);
        Assert.Equal(PosixError.Exists, PortableFiles.MakeDirectory(_place["directory"]));
        Assert.Equal(PosixError.IsADirectory, PortableFiles.OpenWrite(_place["directory"], out var directory));
        directory.Dispose();
        File.WriteAllText(_place["directory/file"], "");
        Assert.Equal(PosixError.NotEmpty, PortableFiles.RemoveDirectory(_place["directory"]));
        Assert.True(PortableFiles.Unlink(_place["directory/file"]).Ok);
        Assert.True(PortableFiles.RemoveDirectory(_place["directory"]).Ok);
    }

    [Fact]
    public void New_files_and_directories_are_this_users_alone()
    {
        PortableFiles.OpenOrCreate(_place["file"], out var file);
        file.Dispose();
        PortableFiles.MakeDirectory(_place["directory"]);

        Assert.False(PrivateFiles.IsOpenToOthers(_place["file"]));
        Assert.False(PrivateFiles.IsOpenToOthers(_place["directory"]));
    }

    [Fact]
    public void A_file_opened_alone_is_nobody_elses_until_it_is_closed()
    {
        var held = PortableFiles.TryOpenAlone(_place["lock"], create: true);

        Assert.NotNull(held);
        Assert.Null(PortableFiles.TryOpenAlone(_place["lock"], create: true));
        Assert.True(PortableFiles.IsOpenAlone(_place["lock"]));
        held.Dispose();
        Assert.False(PortableFiles.IsOpenAlone(_place["lock"]));
        Assert.False(PortableFiles.IsOpenAlone(_place["none"]));
    }

    [Fact]
    public void Time_and_length_are_kept_to_a_tick()
    {
        PortableFiles.OpenOrCreate(_place["file"], out var file);
        using (file)
        {
            Assert.True(PortableFiles.Truncate(file, 7).Ok);
            Assert.True(PortableFiles.SetModified(file, 638_000_000_000_000_007).Ok);
            Assert.True(PortableFiles.Find(file, out var open).Ok);
            Assert.True(PortableFiles.Find(_place["file"], out var named).Ok);
            Assert.Equal((7, 638_000_000_000_000_007), (open.Length, open.ModifiedTicks));
            Assert.Equal((open.Length, open.ModifiedTicks), (named.Length, named.ModifiedTicks));
        }
    }
}
