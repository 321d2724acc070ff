using System.Text;
using Azure.Storage.Queues;
using OzFunctions.Blobs;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.AzureStorage.Tests;

public sealed class MessageTests(SharedAzurite azurite)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("{\"prompt\":\"x\"}", "{\"prompt\":\"x\"}")]
    [InlineData("eyJwcm9tcHQiOiJ4In0=", "{\"prompt\":\"x\"}")]
    [InlineData("ICB7fQ==", "  {}")]
    [InlineData("body", "body")]
    [InlineData("aGVsbG8=", "aGVsbG8=")]
    [InlineData("", "")]
    public void Base64_is_read_as_what_it_holds_when_that_is_json(string text, string body) => Assert.Equal(body, Encoding.UTF8.GetString(MessageText.Read(text)));

    [Fact]
    public void What_xml_cannot_carry_goes_as_base64_or_escaped()
    {
        Assert.Equal("größe 😀 <&>", MessageText.Write("größe 😀 <&>"u8));
        Assert.Equal(Convert.ToBase64String("a\0b"u8), MessageText.Write("a\0b"u8));
        Assert.Equal(Convert.ToBase64String("a\r\nb"u8), MessageText.Write("a\r\nb"u8));
        Assert.Equal(Convert.ToBase64String([0xFF, 0xFE]), MessageText.Write([0xFF, 0xFE]));
        Assert.Equal("""{"title":"a\uffffb😀"}""", MessageText.WriteJson(Encoding.UTF8.GetBytes("{\"title\":\"a\uFFFFb😀\"}")));
    }

    [Fact(Timeout = 180_000)]
    public async Task Messages_of_other_programs_are_read_plain_and_base64()
    {
        var connection = (await azurite.GetAsync()).TakeAccount();
        var options = new QueueClientOptions(QueueClientOptions.ServiceVersion.V2025_11_05) { MessageEncoding = QueueMessageEncoding.Base64 };
        var foreign = new QueueClient(connection, StorageNames.Requests, options);
        var queue = new AzureRequestQueue(StorageAccount.Open(connection, new(), TimeProvider.System), StorageNames.Requests);
        Assert.Null(await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation));
        await queue.SendAsync("{\"prompt\":\"<ä>\"}"u8.ToArray(), Cancellation);
        await foreign.SendMessageAsync("{\"prompt\":\"base64\"}", Cancellation);
        await queue.SendAsync("{\"prompt\":\"a\r\nb\"}"u8.ToArray(), Cancellation);

        foreach (var expected in new[] { "{\"prompt\":\"<ä>\"}", "{\"prompt\":\"base64\"}", "{\"prompt\":\"a\r\nb\"}" })
        {
            var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
            Assert.Equal(expected, Encoding.UTF8.GetString(message!.Body.Span));
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task A_message_that_is_too_long_is_refused_with_the_way_out()
    {
        var queue = new AzureRequestQueue(await azurite.OpenAsync(), StorageNames.Requests);

        var refused = await Assert.ThrowsAsync<BlobStoreException>(() => queue.SendAsync(new byte[70_000].Select(_ => (byte)'a').ToArray(), Cancellation));

        Assert.Contains("'ozf run'", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_another_reader_gave_up_becomes_a_dead_letter()
    {
        var account = await azurite.OpenAsync();
        var core = new OzCore(
            new() { StoreId = account.StoreId, Blobs = new AzureBlobStore(account), Bell = new AzureBell(account), HostLock = new Hosts.NoHostLock(), Publishers = [], Time = TimeProvider.System },
            new(),
            Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        var poison = new AzureRequestQueue(account, "oz-requests-poison");
        await poison.SendAsync("{\"prompt\":\"x\"}"u8.ToArray(), Cancellation);
        await poison.SendAsync("{\"prompt\":"u8.ToArray(), Cancellation);

        await core.CreateConsumer(new AzureRequestQueue(account, StorageNames.Requests)).BuryGivenUpAsync(Cancellation);

        var letters = new List<DeadLetters.DeadLetter>();
        await foreach (var letter in core.DeadLetters.ListAsync(Cancellation))
        {
            letters.Add(letter);
        }

        Assert.Equal(["delivered_too_often", "invalid_request"], letters.Select(letter => letter.Reason).Order());
        Assert.All(letters, letter => Assert.Equal("oz-requests", letter.Queue));
        Assert.Null(await poison.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation));
        Assert.Null(poison.GivenUp);
    }

    [Fact]
    public void Queues_are_looked_at_every_50_ms_while_busy_and_within_2_seconds_when_idle()
    {
        var clock = new ManualTimeProvider();
        var pace = new PollPace(clock);

        Assert.Equal(TimeSpan.FromMilliseconds(50), pace.Next(clock.GetTimestamp()));
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.FromMilliseconds(50), pace.Next(clock.GetTimestamp()));
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.FromMilliseconds(550), pace.Next(clock.GetTimestamp()));
        clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(TimeSpan.FromMilliseconds(1500), pace.Next(clock.GetTimestamp()));
        pace.NoteWork();
        Assert.Equal(TimeSpan.FromMilliseconds(50), pace.Next(clock.GetTimestamp()));
    }

    [Fact]
    public void The_time_that_a_look_takes_comes_off_the_pause_after_it_and_never_all_of_it()
    {
        var clock = new ManualTimeProvider();
        var pace = new PollPace(clock);
        var looked = clock.GetTimestamp();

        clock.Advance(TimeSpan.FromMilliseconds(8));
        Assert.Equal(TimeSpan.FromMilliseconds(42), pace.Next(looked));
        clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromMilliseconds(10), pace.Next(looked));
    }
}
