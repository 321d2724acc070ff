using OzFunctions.Keys;

namespace OzFunctions.Core.Tests.Keys;

public sealed class ConnectionSettingTests
{
    [Theory]
    [InlineData("UseDevelopmentStorage=true", null, "UseDevelopmentStorage=true")]
    [InlineData("UseDevelopmentStorage=true", "", "UseDevelopmentStorage=true")]
    [InlineData(null, "https://runs.blob.core.windows.net", "https://runs.blob.core.windows.net")]
    [InlineData("", "https://runs.blob.core.windows.net", "https://runs.blob.core.windows.net")]
    [InlineData("", "", null)]
    [InlineData(null, null, null)]
    public void A_connection_is_what_is_set_of_the_two(string? text, string? address, string? connection) =>
        Assert.Equal(connection, ConnectionSetting.Choose("OZF_STORAGE", text, "blobServiceUri", address));

    [Fact]
    public void Both_are_refused_by_their_names_and_without_what_they_hold()
    {
        var refused = Assert.Throws<InvalidOperationException>(() => ConnectionSetting.Choose("OZF_STORAGE", "AccountKey=hush", "blobServiceUri", "https://runs.blob.core.windows.net"));

        Assert.StartsWith("OZF_STORAGE and OZF_STORAGE__blobServiceUri are both set: ", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", refused.Message, StringComparison.Ordinal);
    }
}
