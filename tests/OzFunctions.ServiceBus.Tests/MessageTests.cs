using System.Text;
using Azure.Core.Amqp;
using Azure.Messaging.ServiceBus;
using OzFunctions.DeadLetters;
using OzFunctions.Events;
using OzFunctions.Runs;

namespace OzFunctions.ServiceBus.Tests;

/// <summary>What needs no broker.</summary>
public sealed class MessageTests
{
    [Fact]
    public void An_event_is_sent_whole_under_its_own_id_with_what_subscriptions_filter_by()
    {
        var run = RunId.Create(TimeProvider.System);
        var json = $$$"""{"id":"{{{run}}}:1:completed","traceparent":"00-a-b-01","data":{"state":"FAILED","reason":"task_timeout","worker_id":"gpu","exit_code":1}}""";

        var message = ServiceBusEventPublisher.MessageOf(new($"{run}:1:completed", "io.ozfunctions.run.completed.v1", run, Encoding.UTF8.GetBytes(json)));

        Assert.Equal(($"{run}:1:completed", $"runs/{run}", run.Value, "application/cloudevents+json; charset=utf-8"), (message.MessageId, message.Subject, message.CorrelationId, message.ContentType));
        Assert.Equal(json, message.Body.ToString());
        Assert.Equal(
            new Dictionary<string, object?> { ["type"] = "io.ozfunctions.run.completed.v1", ["Diagnostic-Id"] = "00-a-b-01", ["state"] = "FAILED", ["reason"] = "task_timeout", ["worker_id"] = "gpu" },
            message.ApplicationProperties.ToDictionary(property => property.Key, property => (object?)property.Value));
    }

    [Fact]
    public void A_dead_message_becomes_a_letter_with_the_brokers_reason()
    {
        var message = ServiceBusModelFactory.ServiceBusReceivedMessage(
            BinaryData.FromString("{}"), messageId: "m1", deliveryCount: 3, properties: new Dictionary<string, object> { ["DeadLetterReason"] = "invalid_request", ["DeadLetterErrorDescription"] = "prompt: is missing" });

        var letter = ServiceBusDeadLetters.Of("oz-requests", message, TimeProvider.System);

        Assert.Equal((DeadLetterStore.IdOf("oz-requests", "m1", "{}"u8), "invalid_request", "prompt: is missing", "{}"), (letter.Id, letter.Reason, letter.Description, letter.Body));
    }

    [Theory]
    [InlineData(60, 5, 5)]
    [InlineData(60, 300, 58)]
    [InlineData(60, 58, 58)]
    [InlineData(1, 5, -1)]
    [InlineData(-10, 5, -12)]
    public void A_message_is_given_back_later_only_within_its_lock(int left, int delay, int pause) =>
        Assert.Equal(TimeSpan.FromSeconds(pause), ServiceBusRequestQueue.PauseWithin(TimeSpan.FromSeconds(left), TimeSpan.FromSeconds(delay)));

    /// <summary>Taken as one, the second is completed as a repeat of the first, and its run never is.</summary>
    [Fact]
    public void Messages_without_an_id_are_no_repeats_of_each_other()
    {
        var now = DateTimeOffset.UnixEpoch;
        var first = ServiceBusModelFactory.ServiceBusReceivedMessage(sequenceNumber: 7, enqueuedTime: now, deliveryCount: 1);
        var again = ServiceBusModelFactory.ServiceBusReceivedMessage(sequenceNumber: 7, enqueuedTime: now, deliveryCount: 2);
        var next = ServiceBusModelFactory.ServiceBusReceivedMessage(sequenceNumber: 8, enqueuedTime: now);
        var sameOfANewQueue = ServiceBusModelFactory.ServiceBusReceivedMessage(sequenceNumber: 7, enqueuedTime: now.AddDays(1));

        Assert.Equal(ReceivedMessage.IdOf(first), ReceivedMessage.IdOf(again));
        Assert.Equal(3, new[] { first, next, sameOfANewQueue }.Select(ReceivedMessage.IdOf).Distinct().Count());
        Assert.Equal("m1", ReceivedMessage.IdOf(ServiceBusModelFactory.ServiceBusReceivedMessage(messageId: "m1", sequenceNumber: 7)));
        Assert.NotEqual(ServiceBusDeadLetters.Of("q", first, TimeProvider.System).Id, ServiceBusDeadLetters.Of("q", next, TimeProvider.System).Id);
    }

    [Fact]
    public void Text_that_came_as_an_AMQP_value_is_read_and_what_is_no_text_is_shown()
    {
        const string Request = """{"prompt":"grüße"}""";

        Assert.Equal(Request, BodyOf(AmqpMessageBody.FromValue(Request)));
        Assert.Equal(Request, BodyOf(AmqpMessageBody.FromValue(Encoding.UTF8.GetBytes(Request))));
        Assert.Equal(Request, BodyOf(AmqpMessageBody.FromData([Encoding.UTF8.GetBytes(Request[..5]), Encoding.UTF8.GetBytes(Request[5..])])));
        Assert.Equal("7", BodyOf(AmqpMessageBody.FromValue(7)));
        Assert.Equal("a\n7", BodyOf(AmqpMessageBody.FromSequence([["a", 7]])));

        static string BodyOf(AmqpMessageBody body) => Encoding.UTF8.GetString(ReceivedMessage.BodyOf(
            ServiceBusReceivedMessage.FromAmqpMessage(new AmqpAnnotatedMessage(body), BinaryData.FromBytes(new byte[16]))).Span);
    }

    [Fact]
    public void Reasons_are_cut_to_what_the_broker_takes() => Assert.Equal(4096, DeadLetterText.Shorten(new('x', 10_000)).Length);

    [Theory]
    [InlineData("local", "oz-bell-25bf8e1a2393f1108d37029b3df55932")]
    public void A_workers_bell_has_the_name_that_the_index_gives_it(string worker, string queue) => Assert.Equal(queue, ServiceBusBell.QueueOf(worker));

    [Theory]
    [InlineData("Endpoint=sb://runs.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0", "runs.servicebus.windows.net")]
    [InlineData("Endpoint=sb://localhost;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;", "localhost")]
    [InlineData("runs.servicebus.windows.net", "runs.servicebus.windows.net")]
    public async Task A_connection_is_a_string_or_a_namespace(string text, string expected)
    {
        await using var connection = ServiceBusConnection.Open(text);

        Assert.Equal(expected, connection.Client.FullyQualifiedNamespace);
    }

    [Theory]
    [InlineData("hunter2")]
    [InlineData("Endpoint=sb://x/;hunter2")]
    [InlineData("")]
    public void A_bad_connection_is_refused_without_showing_it(string text)
    {
        var refused = Assert.Throws<FormatException>(() => ServiceBusConnection.Open(text));

        Assert.DoesNotContain("hunter2", refused.ToString(), StringComparison.Ordinal);
        Assert.Contains("Endpoint", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reference_to_a_vault_that_nobody_resolved_is_called_that()
    {
        var refused = Assert.Throws<FormatException>(() => ServiceBusConnection.Open("@Microsoft.KeyVault(VaultName=v;SecretName=bus)"));

        Assert.StartsWith("The Service Bus connection is a Key Vault reference that was not resolved", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ServiceBusFailureReason.MessagingEntityNotFound, false, "Queue 'q' is not there")]
    [InlineData(ServiceBusFailureReason.MessageSizeExceeded, false, "larger than its tier takes")]
    [InlineData(ServiceBusFailureReason.ServiceBusy, true, "ServiceBusy")]
    public void What_the_broker_says_is_a_sentence_and_passes_by_itself_or_not(ServiceBusFailureReason reason, bool transient, string sentence)
    {
        var wrapped = ServiceBusConnection.Wrap("Queue 'q'", new ServiceBusException(transient, "m", reason: reason));

        Assert.Equal(transient, wrapped.IsTransient);
        Assert.Contains(sentence, wrapped.Message, StringComparison.Ordinal);
    }

    /// <summary>The SDK has exceptions of other kinds for these, and a loop that reads a queue must not end by them.</summary>
    [Fact]
    public void Refused_callers_and_missing_identities_are_faults_of_the_broker_too()
    {
        Exception[] faults = [new UnauthorizedAccessException("m"), new Azure.Identity.AuthenticationFailedException("m"), new Azure.Identity.CredentialUnavailableException("m")];

        Assert.All(faults, fault => Assert.True(ServiceBusConnection.IsFault(fault)));
        Assert.False(ServiceBusConnection.IsFault(new InvalidOperationException()));
        Assert.Equal([false, true, false], faults.Select(fault => ServiceBusConnection.Wrap("Queue 'q'", fault).IsTransient));
        Assert.Contains("Azure Service Bus Data Receiver", ServiceBusConnection.Wrap("Queue 'q'", faults[0]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_namespace_that_is_away_is_an_outage_with_a_sentence()
    {
        await using var connection = ServiceBusConnection.Open("Endpoint=sb://localhost:1;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true;");
        await using var publisher = new ServiceBusEventPublisher(connection, "oz-events", "topic");
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);

        var failed = await Assert.ThrowsAnyAsync<Exception>(() => publisher.PublishAsync(new("x", "t", RunId.Create(TimeProvider.System), "{}"u8.ToArray()), soon.Token));

        Assert.True(failed is Blobs.BlobStoreException { IsTransient: true } or OperationCanceledException, failed.ToString());
    }
}
