using Azure.Storage.Queues.Models;
using Microsoft.Azure.Functions.Worker;
using OzFunctions.AzureStorage;
using OzFunctions.Queues;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>A run request on Storage Queues: an exception gives it back, everything else completes it; a bad one is a dead letter first.</summary>
internal sealed class RunRequestsFromStorageQueue(OzCore core)
{
    [Function(nameof(RunRequestsFromStorageQueue))]
    public async Task RunAsync([QueueTrigger(SettingNames.RequestQueue, Connection = SettingNames.Storage)] QueueMessage message, CancellationToken cancellationToken)
    {
        var body = MessageText.Read(message.Body.ToString());
        var verdict = await core.Messages.TakeAsync(SettingNames.RequestQueue, message.MessageId, body, traceparent: null, cancellationToken);
        if (verdict.Answer is null)
        {
            await core.Messages.BuryAsync(
                SettingNames.RequestQueue, message.MessageId, body, MessageIntake.InvalidRequest, MessageIntake.Describe(verdict.Faults), verdict.Faults, (int)message.DequeueCount, cancellationToken);
        }
    }
}
