using System.Collections.Concurrent;

namespace OzFunctions.Http;

/// <summary>Files that were built into this assembly.</summary>
internal static class BuiltIn
{
    private static readonly ConcurrentDictionary<string, byte[]> Known = new(StringComparer.Ordinal);

    /// <param name="name">Folder and name, with a dot between: <c>Pages.index.html</c>.</param>
    public static byte[] Read(string name) => Known.GetOrAdd(name, static name =>
    {
        using var stream = typeof(BuiltIn).Assembly.GetManifestResourceStream("OzFunctions.Http." + name) ?? throw new InvalidOperationException($"{name} was not built in.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    });
}
