namespace OzFunctions.AzureStorage.Tests;

/// <summary>A call has as long as a line of 32 KiB a second takes for what it carries; one that is cut off before begins anew for ever.</summary>
public sealed class CallTimesTests
{
    private readonly StorageAccountOptions _options = new();

    [Fact]
    public void A_call_that_moves_little_has_its_fixed_times() => Assert.Equal(Seconds(10, 25), CallTimes.OfLittle(_options));

    [Theory]
    [InlineData(0, 10, 25)]
    [InlineData(256 << 10, 18, 41)]
    [InlineData(1 << 20, 42, 89)]
    public void A_piece_of_a_log_has_time_for_its_bytes(long bytes, double aTry, double whole) => Assert.Equal(Seconds(aTry, whole), CallTimes.OfBytes(_options, bytes));

    [Theory]
    [InlineData(5, 90, 180)]
    [InlineData(BlobUpload.BlockBytes, 138, 281)]
    [InlineData(BlobUpload.MostAtOnce * BlobUpload.BlockBytes, 522, 1049)]
    public void A_block_has_time_for_all_that_share_the_line_with_it(long bytes, double aTry, double whole) => Assert.Equal(Seconds(aTry, whole), CallTimes.OfBlock(_options, bytes));

    [Fact]
    public void The_client_ends_no_try_by_a_time_of_its_own() => Assert.Equal(Timeout.InfiniteTimeSpan, StorageAccount.BlobOptions(_options).Retry.NetworkTimeout);

    private static CallTimes Seconds(double aTry, double whole) => new(TimeSpan.FromSeconds(aTry), TimeSpan.FromSeconds(whole));
}
