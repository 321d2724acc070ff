namespace OzFunctions.Testing;

/// <summary>A directory of a test's own, deleted with all that is in it.</summary>
public sealed class TempDirectory : IDisposable
{
    public TempDirectory() => Path = Directory.CreateTempSubdirectory("ozf-test-").FullName;

    public string Path { get; }

    /// <summary>A path below the directory; nothing is created.</summary>
    public string this[params ReadOnlySpan<string> names] => System.IO.Path.Join([Path, .. names]);

    /// <summary>Makes a directory below this one and answers its path.</summary>
    public string Create(params ReadOnlySpan<string> names) => Directory.CreateDirectory(this[names]).FullName;

    public override string ToString() => Path;

    public void Dispose()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}
