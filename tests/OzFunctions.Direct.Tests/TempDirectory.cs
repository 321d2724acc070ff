using System.Runtime.InteropServices;
using OzFunctions.Direct.Workspaces;

namespace OzFunctions.Direct.Tests;

/// <summary>A directory below /tmp that goes with the test, whatever lies in it.</summary>
internal sealed partial class TempDirectory : IDisposable
{
    public TempDirectory() => Path = Directory.CreateTempSubdirectory("ozf-direct-").FullName;

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, string content, bool executable = false)
    {
        var path = this[name];
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        if (executable)
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            WaitUntilNobodyWrites(path);
        }

        return path;
    }

    public void Dispose() => TreeRemover.RemoveOnce(Path);

    /// <summary>A child that a test beside this one is just forking has the file open too until it executes its program, and one open for writing cannot be executed.</summary>
    private static void WaitUntilNobodyWrites(string path)
    {
        const int SetLease = 1024;
        const int ForReading = 0;
        const int TryAgain = 11;
        using var file = File.OpenHandle(path);
        Assert.True(SpinWait.SpinUntil(() => Control(file, SetLease, ForReading) == 0 || Marshal.GetLastPInvokeError() != TryAgain, TimeSpan.FromMinutes(1)), $"{path} stays open for writing.");
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeHandle file, int command, int argument);
}
