using Azure.Messaging.ServiceBus;
using Microsoft.Azure.Functions.Worker;
using OzFunctions.Queues;
using OzFunctions.ServiceBus;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>A run request on Service Bus: accepted or known → completed; bad → dead-lettered with every fault; trouble of ours → given back after a pause.</summary>
internal sealed class RunRequestsFromServiceBus(OzCore core, MessageReturn returns)
{
    [Function(nameof(RunRequestsFromServiceBus))]
    public async Task RunAsync(
        [ServiceBusTrigger(SettingNames.RequestQueue, Connection = SettingNames.ServiceBus, AutoCompleteMessages = false)] ServiceBusReceivedMessage message,
        ServiceBusMessageActions actions,
        CancellationToken cancellationToken)
    {
        MessageVerdict verdict;
        try
        {
            verdict = await core.Messages.TakeAsync(SettingNames.RequestQueue, ReceivedMessage.IdOf(message), ReceivedMessage.BodyOf(message), MessageTrace.Of(message), cancellationToken);
        }
        catch (Exception ex) when (!cancellationToken.IsCancellationRequested)
        {
            // The boundary of this function: whatever it is, the message is not lost.
            await returns.GiveBackAsync(message, actions, ex, cancellationToken);
            return;
        }

        if (verdict.Answer is null)
        {
            await actions.DeadLetterMessageAsync(
                message,
                deadLetterReason: MessageIntake.InvalidRequest,
                deadLetterErrorDescription: DeadLetterText.Shorten(string.Join('\n', verdict.Faults)),
                cancellationToken: cancellationToken);
        }
        else
        {
            await actions.CompleteMessageAsync(message, cancellationToken);
        }
    }
}
