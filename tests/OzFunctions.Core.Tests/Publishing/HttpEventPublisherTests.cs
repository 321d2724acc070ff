using System.Net;
using System.Text;
using OzFunctions.Events;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Publishing;

/// <summary>Signed posts to a real server on loopback.</summary>
public sealed class HttpEventPublisherTests
{
    private const int Limit = 180_000;
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task An_event_is_posted_as_it_was_rendered_and_signed_over_id_time_and_body()
    {
        await using var receiver = new HttpReceiver();
        using var publisher = Publisher(receiver.Url);
        var sent = Event();

        await publisher.PublishAsync(sent, Cancellation);

        var request = await receiver.NextAsync(Cancellation);
        Assert.Equal("POST /hook HTTP/1.1", request.RequestLine);
        Assert.Equal(sent.Json.ToArray(), request.Body);
        Assert.Equal(sent.Id, request.Headers["webhook-id"]);
        Assert.Equal("application/cloudevents+json; charset=utf-8", request.Headers["Content-Type"]);
        var time = DateTimeOffset.FromUnixTimeSeconds(long.Parse(request.Headers["webhook-timestamp"], System.Globalization.CultureInfo.InvariantCulture));
        Assert.InRange(TimeProvider.System.GetUtcNow() - time, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        Assert.Equal(new StandardSignature([Secret]).Sign(sent.Id, time, request.Body), request.Headers["webhook-signature"]);
    }

    [Theory(Timeout = Limit)]
    [InlineData("HTTP/1.1 200 OK", null, false)]
    [InlineData("HTTP/1.1 202 Accepted", null, false)]
    [InlineData("HTTP/1.1 500 Oops", 500, false)]
    [InlineData("HTTP/1.1 404 Not Found", 404, false)]
    [InlineData("HTTP/1.1 410 Gone", 410, true)]
    [InlineData("HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere", 307, false)]
    public async Task Two_hundred_and_more_is_taken_gone_is_final_and_the_rest_is_tried_again(string answer, int? status, bool final)
    {
        await using var receiver = new HttpReceiver { Answer = _ => answer };
        using var publisher = Publisher(receiver.Url);

        var failure = (EventDeliveryException?)await Record.ExceptionAsync(() => publisher.PublishAsync(Event(), Cancellation));

        Assert.Equal((status, final), (failure?.Status, failure?.IsFinal ?? false));
        Assert.Single(receiver.Requests);
    }

    [Theory(Timeout = Limit)]
    [InlineData("120", 120)]
    [InlineData("Sun, 06 Nov 1994 08:49:37 GMT", null)]
    [InlineData("soon", null)]
    public async Task Retry_after_is_read(string header, int? seconds)
    {
        await using var receiver = new HttpReceiver { Answer = _ => "HTTP/1.1 503 Busy\r\nRetry-After: " + header };
        using var publisher = Publisher(receiver.Url);

        var failure = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(Event(), Cancellation));

        Assert.Equal(seconds, failure.RetryAfter?.TotalSeconds);
    }

    [Fact(Timeout = Limit)]
    public async Task A_receiver_that_never_answers_is_given_up_in_time()
    {
        await using var receiver = new HttpReceiver { Answer = _ => null };
        using var publisher = Publisher(receiver.Url, timeout: TimeSpan.FromMilliseconds(200));

        var failure = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(Event(), Cancellation));

        Assert.Contains("No answer within", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_receiver_that_is_not_there_is_a_failure_with_a_sentence()
    {
        var receiver = new HttpReceiver();
        await receiver.DisposeAsync();
        using var publisher = Publisher(receiver.Url);

        var failure = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(Event(), Cancellation));

        Assert.StartsWith("No connection: ", failure.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_private_address_gets_nothing_unless_it_is_allowed()
    {
        await using var receiver = new HttpReceiver();
        using var publisher = Publisher(receiver.Url, allowPrivate: false);

        var failure = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(Event(), Cancellation));

        Assert.Contains("allow_private", failure.Message, StringComparison.Ordinal);
        Assert.Empty(receiver.Requests);
    }

    [Fact(Timeout = Limit)]
    public async Task A_name_that_turns_inward_after_it_was_looked_at_is_not_followed()
    {
        await using var receiver = new HttpReceiver();
        var asked = 0;
        using var publisher = Publisher(
            new UriBuilder(receiver.Url) { Host = "receiver.example" }.Uri,
            allowPrivate: false,
            resolve: (_, _) => Task.FromResult<IPAddress[]>([++asked == 1 ? IPAddress.Parse("10.0.0.1") : IPAddress.Loopback]));

        for (var tries = 1; tries <= 2; tries++)
        {
            await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(Event(), Cancellation));
            Assert.Equal(tries, asked);
        }

        Assert.Empty(receiver.Requests);
    }

    [Fact(Timeout = Limit)]
    public async Task A_stop_of_the_host_is_no_failure_of_the_receiver()
    {
        await using var receiver = new HttpReceiver { Answer = _ => null };
        using var publisher = Publisher(receiver.Url);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        var sending = publisher.PublishAsync(Event(), stop.Token);
        await receiver.NextAsync(Cancellation);
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
    }

    private static HttpEventPublisher Publisher(Uri url, bool allowPrivate = true, TimeSpan? timeout = null, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
    {
        var options = new HttpEventOptions { Name = "hook", Url = url, Secrets = [Secret], AllowPrivate = allowPrivate, Timeout = timeout ?? TimeSpan.FromSeconds(30) };
        return new(resolve is null ? options : options with { Resolve = resolve }, TimeProvider.System);
    }

    private static RunEvent Event()
    {
        var run = RunId.Create(TimeProvider.System);
        return new($"{run}:1:completed", RunEvents.CompletedType, run, Encoding.UTF8.GetBytes("""{"specversion":"1.0","message":"grüße"}"""));
    }
}
