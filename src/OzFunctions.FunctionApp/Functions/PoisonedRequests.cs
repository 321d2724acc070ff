using Azure.Messaging.ServiceBus;
using Azure.Storage.Queues.Models;
using Microsoft.Azure.Functions.Worker;
using OzFunctions.AzureStorage;
using OzFunctions.ServiceBus;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>What a broker gave up becomes a dead letter, where people and <c>ozf dead-letters</c> find it.</summary>
internal sealed class PoisonedRequests(OzCore core, MessageReturn returns)
{
    [Function("PoisonedRequestsFromServiceBus")]
    public async Task FromServiceBusAsync(
        [ServiceBusTrigger(SettingNames.RequestQueue + "/$deadletterqueue", Connection = SettingNames.ServiceBus, AutoCompleteMessages = false)] ServiceBusReceivedMessage message,
        ServiceBusMessageActions actions,
        CancellationToken cancellationToken)
    {
        try
        {
            await core.Messages.BuryGivenUpAsync(
                SettingNames.RequestQueue,
                ReceivedMessage.IdOf(message),
                ReceivedMessage.BodyOf(message),
                message.DeadLetterReason,
                message.DeadLetterErrorDescription,
                message.DeliveryCount,
                cancellationToken);
        }
        catch (Exception ex) when (!cancellationToken.IsCancellationRequested)
        {
            // The boundary of this function: whatever it is, the message stays where it lies, and is not asked for again at once.
            await returns.GiveBackAsync(message, actions, ex, cancellationToken);
            return;
        }

        await actions.CompleteMessageAsync(message, cancellationToken);
    }

    [Function("PoisonedRequestsFromStorageQueue")]
    public Task FromStorageQueueAsync([QueueTrigger(SettingNames.RequestQueue + "-poison", Connection = SettingNames.Storage)] QueueMessage message, CancellationToken cancellationToken) =>
        core.Messages.BuryGivenUpAsync(
            SettingNames.RequestQueue, message.MessageId, MessageText.Read(message.Body.ToString()), reason: null, description: null, deliveries: null, cancellationToken);
}
