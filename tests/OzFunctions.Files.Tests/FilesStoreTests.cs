using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Local;
using OzFunctions.Testing;

namespace OzFunctions.Files;

public sealed class FilesStoreTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private string Data => _directory["deep", "data"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_new_data_directory_is_private_and_keeps_its_id()
    {
        string id;
        using (var store = Open())
        {
            id = store.StoreId;
            Assert.True(Guid.TryParse(id, out _));
            Assert.False(store.BootChanged);
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Data));
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Join(Data, "store.json")));
        Assert.Equal((1, id), (document.RootElement.GetProperty("format").GetInt32(), document.RootElement.GetProperty("store_id").GetString()));
        Assert.NotEqual("", document.RootElement.GetProperty("boot_id").GetString());
        using var again = Open();
        Assert.Equal(id, again.StoreId);
        Assert.False(File.Exists(Path.Join(Data, ".gitignore")));
    }

    [Fact(Timeout = 180_000)]
    public async Task Many_who_open_a_new_directory_at_once_agree_on_its_id()
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(
            () =>
            {
                using var store = Open();
                return store.StoreId;
            },
            TestContext.Current.CancellationToken)));

        Assert.Single(ids.Distinct());
    }

    [Fact]
    public void A_restart_of_the_machine_is_told_until_it_was_noted()
    {
        Open().Dispose();
        var path = Path.Join(Data, "store.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"boot_id\":\"", "\"boot_id\":\"0", StringComparison.Ordinal));

        using (var store = Open())
        {
            Assert.True(store.BootChanged);
        }

        using (var store = Open())
        {
            Assert.True(store.BootChanged);
            store.NoteBoot();
            Assert.False(store.BootChanged);
        }

        using var after = Open();
        Assert.False(after.BootChanged);
    }

    [Fact]
    public void A_directory_of_a_newer_version_is_refused_with_a_sentence()
    {
        Open().Dispose();
        File.WriteAllText(Path.Join(Data, "store.json"), """{"format":2,"store_id":"x"}""");

        var refused = Assert.Throws<BlobStoreException>(Open);
        Assert.Contains("newer version (format 2", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(Path.Join(Data, "tmp")));
    }

    [Fact]
    public void A_damaged_store_document_is_named()
    {
        Open().Dispose();
        File.WriteAllText(Path.Join(Data, "store.json"), "{");

        Assert.Contains("store.json' is damaged", Assert.Throws<BlobStoreException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_in_the_way_is_named()
    {
        File.WriteAllText(_directory["deep"], "");

        Assert.Contains(_directory["deep"], Assert.Throws<BlobStoreException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Inside_a_git_work_tree_nothing_is_committed()
    {
        _directory.Create(".git");
        Open().Dispose();

        Assert.Equal("*\n", File.ReadAllText(Path.Join(Data, ".gitignore")));
    }

    [Fact]
    public void What_a_dead_process_left_is_removed_and_what_a_living_one_has_stays()
    {
        using var alive = Open();
        var kept = alive.WriteTemporary("half"u8, durable: false);
        var dead = Directory.CreateDirectory(Path.Join(Data, "tmp", "0123456789abcdef")).FullName;
        File.WriteAllText(Path.Join(dead, "lock"), "");
        File.WriteAllText(Path.Join(dead, "7"), "half");

        using var opener = Open();

        Assert.False(Directory.Exists(dead));
        Assert.True(File.Exists(kept));
        Assert.True(opener.IsAlive(alive.Instance));
        Assert.False(opener.IsAlive("0123456789abcdef"));
    }

    [Fact]
    public void A_closed_store_leaves_no_temporary_files()
    {
        var store = Open();
        store.WriteTemporary("half"u8, durable: false);
        store.Dispose();

        Assert.Empty(Directory.GetFileSystemEntries(Path.Join(Data, "tmp")));
    }

    [Fact]
    public void A_lock_of_the_data_directory_passes_to_no_child()
    {
        using var store = Open();
        Assert.True(FileLock.IsHeld(Path.Join(Data, "tmp", store.Instance, "lock")));
        var descriptors = Directory.GetFiles("/proc/self/fd").Where(link => new FileInfo(link).LinkTarget?.StartsWith(Data, StringComparison.Ordinal) == true).ToList();

        Assert.NotEmpty(descriptors);
        Assert.All(descriptors, link => Assert.True(
            (Convert.ToInt32(File.ReadLines($"/proc/self/fdinfo/{Path.GetFileName(link)}").First(line => line.StartsWith("flags:", StringComparison.Ordinal))[6..].Trim(), 8) & 0x80000) != 0,
            $"{link} is not closed on exec"));
    }

    private FilesStore Open() => FilesStore.Open(new() { Directory = Data, Durability = Durability.Process }, TimeProvider.System);
}
