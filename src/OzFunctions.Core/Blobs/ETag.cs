namespace OzFunctions.Blobs;

/// <summary>The version of one blob; every write makes a new one, also when the content stays the same.</summary>
public readonly record struct ETag(string Value)
{
    public override string ToString() => Value;
}
