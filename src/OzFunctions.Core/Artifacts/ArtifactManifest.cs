namespace OzFunctions.Artifacts;

/// <summary>What was kept of an attempt, and what was left out and why: <c>data/&lt;run_id&gt;/&lt;attempt&gt;/artifacts.json</c>.</summary>
public sealed record ArtifactManifest
{
    public required IReadOnlyList<ArtifactEntry> Artifacts { get; init; }
}

/// <summary>One file. <see cref="LeftOut"/> says why there is no content for it.</summary>
public sealed record ArtifactEntry
{
    /// <summary>Why it was left out whose name breaks a rule of the store's.</summary>
    public const string NoSuchName = "the store takes no such name: it is too long, or of too many directories";

    /// <summary>Path below <c>artifacts/</c>, with <c>/</c>.</summary>
    public required string Path { get; init; }

    public required long Bytes { get; init; }

    /// <summary>Lower-case hex; null when left out.</summary>
    public string? Sha256 { get; init; }

    public string? ContentType { get; init; }

    /// <summary>How many secrets were masked in it; <see cref="Bytes"/> and <see cref="Sha256"/> are of what was kept. Null: none.</summary>
    public long? Masked { get; init; }

    public string? LeftOut { get; init; }
}
