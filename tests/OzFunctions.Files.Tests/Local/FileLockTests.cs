using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Local;
using OzFunctions.Testing;

namespace OzFunctions.Files.Local;

public sealed partial class FileLockTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_lock_is_held_by_one_and_free_when_disposed()
    {
        var path = _directory["lock"];
        var held = FileLock.TryTake(path);

        Assert.NotNull(held);
        Assert.Null(FileLock.TryTake(path));
        Assert.True(FileLock.IsHeld(path));

        held.Dispose();
        Assert.False(FileLock.IsHeld(path));
        using var again = FileLock.TryTake(path);
        Assert.NotNull(again);
    }

    /// <summary>As a child has one that is being forked on another thread, until it executes its program.</summary>
    [Fact]
    public void A_lock_that_was_let_go_is_free_though_a_copy_of_its_descriptor_is_still_open()
    {
        var path = _directory["lock"];
        var held = FileLock.TryTake(path)!;
        var own = Directory.GetFiles("/proc/self/fd").Single(link => new FileInfo(link).LinkTarget == path);
        using var copy = new SafeFileHandle(Duplicate(int.Parse(Path.GetFileName(own), CultureInfo.InvariantCulture)), ownsHandle: true);

        held.Dispose();

        Assert.False(copy.IsInvalid);
        Assert.False(FileLock.IsHeld(path));
    }

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(int descriptor);

    [Fact]
    public void An_absent_lock_file_is_not_held_and_is_created_only_on_demand()
    {
        var path = _directory["lock"];

        Assert.False(FileLock.IsHeld(path));
        Assert.Null(FileLock.TryTake(path, create: false));
        Assert.False(File.Exists(path));
        Assert.Throws<FileNotFoundException>(() => FileLock.TryTake(_directory["absent", "lock"]));
    }

    [Fact]
    public void A_lock_whose_file_was_replaced_says_so()
    {
        var path = _directory["lock"];
        using var held = FileLock.TryTake(path)!;
        Assert.True(held.IsStillThere);

        File.Delete(path);
        Assert.False(held.IsStillThere);
        File.WriteAllText(path, "");
        Assert.False(held.IsStillThere);

        // The new file is another lock.
        using var other = FileLock.TryTake(path);
        Assert.NotNull(other);
    }

    [Fact]
    public void Readers_of_a_lock_file_do_not_take_it()
    {
        var path = _directory["lock"];
        using var held = FileLock.TryTake(path)!;
        held.Touch(new(2031, 2, 3, 4, 5, 6, TimeSpan.Zero));

        Assert.True(FileFacts.Find(path, out var facts).Ok);
        Assert.Equal(new DateTime(2031, 2, 3, 4, 5, 6), new DateTime(facts.ModifiedTicks));
    }
}
