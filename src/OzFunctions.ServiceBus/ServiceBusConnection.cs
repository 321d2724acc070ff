using Azure.Core;
using Azure.Identity;
using Azure.Messaging.ServiceBus;
using Azure.Messaging.ServiceBus.Administration;
using OzFunctions.Blobs;
using OzFunctions.Keys;

namespace OzFunctions.ServiceBus;

/// <summary>One connection to a namespace: a connection string (an emulator's too, with <c>UseDevelopmentEmulator=true</c>), or the namespace and an identity.</summary>
public sealed class ServiceBusConnection : IAsyncDisposable
{
    /// <summary>Beyond it the SDK gives up a call; ours are repeated by their callers.</summary>
    private static readonly ServiceBusClientOptions Options = new()
    {
        RetryOptions = new() { MaxRetries = 3, Delay = TimeSpan.FromMilliseconds(500), MaxDelay = TimeSpan.FromSeconds(5), TryTimeout = TimeSpan.FromSeconds(20) },
    };

    private ServiceBusConnection(ServiceBusClient client, ServiceBusAdministrationClient administration) => (Client, Administration) = (client, administration);

    /// <summary>Shared by all queues and topics of the namespace; one AMQP connection.</summary>
    public ServiceBusClient Client { get; }

    /// <summary>Makes queues where the identity may.</summary>
    public ServiceBusAdministrationClient Administration { get; }

    /// <param name="text">A connection string, or a fully qualified namespace such as <c>runs.servicebus.windows.net</c>.</param>
    /// <param name="credential">For a namespace; null: the default chain (environment, workload identity, managed identity, …).</param>
    /// <exception cref="FormatException">The text is neither; it is not repeated, because it may hold a key.</exception>
    public static ServiceBusConnection Open(string text, TokenCredential? credential = null)
    {
        if (UnresolvedReference.FindFault(text) is { } fault)
        {
            throw new FormatException($"The Service Bus connection {fault}.");
        }

        if (IsNamespace(text))
        {
            credential ??= new DefaultAzureCredential();
            return new(new(text, credential, Options), new(text, credential));
        }

        if (!text.Contains("Endpoint=", StringComparison.OrdinalIgnoreCase))
        {
            throw new FormatException("The Service Bus connection must be a connection string ('Endpoint=sb://…'), or a namespace such as runs.servicebus.windows.net for an identity.");
        }

        try
        {
            return new(new(text, Options), new(text));
        }
        catch (Exception ex) when (ex is ArgumentException or FormatException)
        {
            // The SDK's message may quote the text.
            throw new FormatException("The Service Bus connection string is not valid: it needs Endpoint, and SharedAccessKeyName with SharedAccessKey, or SharedAccessSignature. UseDevelopmentEmulator=true is for the emulator.");
        }
    }

    public ValueTask DisposeAsync() => Client.DisposeAsync();

    /// <summary>What the SDK throws of the broker, its network and its identities; anything else is a fault of ours.</summary>
    internal static bool IsFault(Exception exception) => exception is ServiceBusException or UnauthorizedAccessException or AuthenticationFailedException;

    /// <summary>The broker's trouble as every store's, with a sentence that says what to do. Only for what <see cref="IsFault"/> knows.</summary>
    internal static BlobStoreException Wrap(string what, Exception exception)
    {
        var (text, transient) = exception switch
        {
            ServiceBusException { Reason: ServiceBusFailureReason.MessagingEntityNotFound } => ($"{what} is not there: create it (infra/ does), or name another.", false),
            ServiceBusException { Reason: ServiceBusFailureReason.MessageSizeExceeded } => ($"{what}: the message is larger than its tier takes (256 KB in Standard).", false),
            ServiceBusException { Reason: ServiceBusFailureReason.QuotaExceeded } full => ($"{what} is full.", full.IsTransient),
            ServiceBusException failed => ($"{what}: Service Bus did not do it ({failed.Reason}).", failed.IsTransient),
            UnauthorizedAccessException => ($"{what}: Service Bus refused the call: check the key in its connection string, or give the identity the roles Azure Service Bus Data Sender and Azure Service Bus Data Receiver.", false),

            // No wait brings a login; a token endpoint that was not reached may answer next time.
            _ => ($"{what}: no Azure identity could be had for Service Bus.", exception is not CredentialUnavailableException),
        };
        return new(text, transient, exception);
    }

    private static bool IsNamespace(string text) => text.Contains('.', StringComparison.Ordinal) && Uri.CheckHostName(text) == UriHostNameType.Dns;
}
