using Azure.Messaging.ServiceBus;
using Azure.Storage.Queues.Models;
using Microsoft.Azure.Functions.Worker;
using OzFunctions.AzureStorage;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>What a broker gave up becomes a dead letter, where people and <c>ozf dead-letters</c> find it.</summary>
internal sealed class PoisonedRequests(OzCore core)
{
    [Function("PoisonedRequestsFromServiceBus")]
    public async Task FromServiceBusAsync(
        [ServiceBusTrigger(SettingNames.RequestQueue + "/$deadletterqueue", Connection = SettingNames.ServiceBus, AutoCompleteMessages = false)] ServiceBusReceivedMessage message,
        ServiceBusMessageActions actions,
        CancellationToken cancellationToken)
    {
        await core.Messages.BuryGivenUpAsync(
            SettingNames.RequestQueue,
            message.MessageId,
            message.Body.ToMemory(),
            message.DeadLetterReason,
            message.DeadLetterErrorDescription,
            message.DeliveryCount,
            cancellationToken);
        await actions.CompleteMessageAsync(message, cancellationToken);
    }

    [Function("PoisonedRequestsFromStorageQueue")]
    public Task FromStorageQueueAsync([QueueTrigger(SettingNames.RequestQueue + "-poison", Connection = SettingNames.Storage)] QueueMessage message, CancellationToken cancellationToken) =>
        core.Messages.BuryGivenUpAsync(
            SettingNames.RequestQueue, message.MessageId, MessageText.Read(message.Body.ToString()), reason: null, description: null, (int)message.DequeueCount, cancellationToken);
}
