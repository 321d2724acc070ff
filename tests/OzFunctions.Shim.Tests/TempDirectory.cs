namespace OzFunctions.Shim.Tests;

/// <summary>A directory that is gone after the test.</summary>
internal sealed class TempDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("ozf-shim-").FullName;

    /// <summary>Lets every account pass through to what is theirs below.</summary>
    public void Open() => File.SetUnixFileMode(Path, (UnixFileMode)0x1C9);

    public string Sub(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
