namespace OzFunctions.Direct.Artifacts;

/// <summary>A file that may become an artifact: its name among the artifacts, where it lies, and the directory that it must not leave.</summary>
internal sealed record ArtifactSource(string Name, string Path, string Root)
{
    /// <summary>It is masked whatever bytes are in it: a patch of files in several encodings.</summary>
    public bool IsText { get; init; }

    /// <summary>Why it is named and not kept; null: it is kept if it can be.</summary>
    public string? LeftOut { get; init; }

    /// <summary>Its size where it is left out.</summary>
    public long Bytes { get; init; }
}
