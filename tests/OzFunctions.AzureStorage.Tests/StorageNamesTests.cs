namespace OzFunctions.AzureStorage.Tests;

/// <summary>Names that the service would refuse only at run time.</summary>
public sealed class StorageNamesTests
{
    // Azure: "Naming and referencing containers, blobs, and metadata": 3 to 63 of lower-case letters, digits and single hyphens, no hyphen at an end.
    [Fact]
    public void The_container_has_a_legal_name() => Assert.Matches(@"\A(?=.{3,63}\z)[a-z0-9]+(-[a-z0-9]+)*\z", StorageNames.Container);

    [Theory]
    [InlineData("local")]
    [InlineData("gpu/größe")]
    public void A_bell_has_a_legal_name_that_the_ready_index_shares(string workerId)
    {
        var name = StorageNames.BellOf(workerId);

        Assert.Matches(@"\A(?=.{3,63}\z)[a-z0-9]+(-[a-z0-9]+)*\z", name);
        Assert.Equal($"ready/{name["oz-bell-".Length..]}/", OzFunctions.Dispatch.ReadyEntry.PrefixOf(workerId));
    }
}
