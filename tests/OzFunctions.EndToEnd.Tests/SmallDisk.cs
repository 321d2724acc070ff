using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>A disk in memory, mounted on a directory; disposing unmounts it, which is refused while a process still stands on it.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private readonly string _path;

    private SmallDisk(string path) => _path = path;

    /// <summary>Null where this user may not mount.</summary>
    public static async Task<SmallDisk?> TryMountAsync(string path, string size)
    {
        Directory.CreateDirectory(path);
        return Environment.UserName == "root" && await RunAsync("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", path) ? new(path) : null;
    }

    /// <summary>Another size, with all that is on it.</summary>
    public async Task ResizeAsync(string size) => Assert.True(await RunAsync("mount", "-o", $"remount,size={size}", _path));

    public async ValueTask DisposeAsync() => Assert.True(await RunAsync("umount", _path) || await RunAsync("umount", "-l", _path));

    private static async Task<bool> RunAsync(string program, params string[] arguments) =>
        (await TestProcess.RunAsync(program, arguments, CancellationToken.None)).ExitCode == 0;
}
