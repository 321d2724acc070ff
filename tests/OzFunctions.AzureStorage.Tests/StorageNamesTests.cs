namespace OzFunctions.AzureStorage.Tests;

/// <summary>Names that the service would refuse only at run time.</summary>
public sealed class StorageNamesTests
{
    // Azure: "Naming and referencing containers, blobs, and metadata": 3 to 63 of lower-case letters, digits and single hyphens, no hyphen at an end.
    [Fact]
    public void The_container_has_a_legal_name() => Assert.Matches(@"\A(?=.{3,63}\z)[a-z0-9]+(-[a-z0-9]+)*\z", StorageNames.Container);
}
