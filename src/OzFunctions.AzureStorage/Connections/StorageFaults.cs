using System.Globalization;
using System.Net.Sockets;
using System.Xml;
using Azure;
using Azure.Core;
using Azure.Identity;
using OzFunctions.Blobs;
using Polly.Timeout;

namespace OzFunctions.AzureStorage;

/// <summary>Which exceptions of the SDK are faults of the store, which of them pass by themselves, and what they say to a person.</summary>
internal static class StorageFaults
{
    public const string BlobNotFound = "BlobNotFound";
    public const string ContainerNotFound = "ContainerNotFound";
    public const string QueueNotFound = "QueueNotFound";
    public const string InvalidBlobType = "InvalidBlobType";

    public static bool IsFault(Exception exception, CancellationToken cancellationToken) =>
        exception is RequestFailedException or IOException or HttpRequestException or AggregateException or TimeoutRejectedException or AuthenticationFailedException or XmlException
        || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    /// <summary>Throttling, a service that is busy or starting, and the network. A container that is being deleted is gone in half a minute.</summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        RequestFailedException failed => failed.Status is 0 or 408 or 429 or 500 or 502 or 503 or 504 || failed.ErrorCode is "ContainerBeingDeleted" or "QueueBeingDeleted",
        TimeoutRejectedException or IOException or HttpRequestException or SocketException or AggregateException => true,

        // Somebody in between answered in the service's place.
        XmlException => true,

        // No wait brings a login; a token endpoint that was not reached may answer next time.
        AuthenticationFailedException and not CredentialUnavailableException => true,

        // The try's own timeout, when it was not this process that gave up.
        OperationCanceledException => false,
        _ => false,
    };

    public static TimeSpan? FindRetryAfter(Exception? exception, TimeSpan atMost) =>
        exception is RequestFailedException failed && failed.GetRawResponse() is { } response
        && response.Headers.TryGetValue("Retry-After", out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(Math.Min(seconds, atMost.TotalSeconds))
            : null;

    /// <param name="setting">What a person looks at when the account refuses.</param>
    /// <param name="earlier">What the try before the last died of, for a call that ran out of time.</param>
    public static BlobStoreException From(Exception exception, string host, string setting, Exception? earlier)
    {
        var cause = exception is TimeoutRejectedException or OperationCanceledException && earlier is not null ? earlier : exception;
        var (text, transient) = cause switch
        {
            RequestFailedException { Status: 403 } failed => (
                $"The storage account at {host} refused the call (403 {failed.ErrorCode}): check the key, signature or roles that {setting} gives (Storage Blob Data Contributor and Storage Queue Data Contributor), and this machine's clock, which may be off by at most 15 minutes.",
                false),
            RequestFailedException { Status: 401 } failed => ($"The storage account at {host} does not accept the identity that {setting} gives (401 {failed.ErrorCode}): it needs the roles Storage Blob Data Contributor and Storage Queue Data Contributor.", false),
            RequestFailedException { Status: 400 } failed => ($"The storage account at {host} could not read the call (400 {failed.ErrorCode}).", false),
            RequestFailedException { Status: 404, ErrorCode: "ResourceNotFound" } => ($"There is no storage account at {host}: check its name in {setting}.", false),
            CredentialUnavailableException => ($"No Azure identity was found for {host}: log in with 'az login', run with a managed identity, set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or give a connection string.", false),
            AuthenticationFailedException failed => ($"The Azure identity for {host} could not be had: {FirstLine(failed.Message)}", true),
            RequestFailedException { Status: > 0 } failed => ($"The storage account at {host} answered {failed.Status} {failed.ErrorCode}.", IsTransient(failed)),
            XmlException => ($"What came as the answer of the storage account at {host} is none of its answers; a proxy or a sign-in page in between may have given it: {FirstLine(cause.Message)}", true),
            TimeoutRejectedException or OperationCanceledException => ($"The storage account at {host} did not answer in time.", true),
            _ => ($"The storage account at {host} cannot be reached: {FirstLine(Innermost(cause).Message)}", true),
        };
        return new(text, transient, exception) { RefusesAll = IsOfAccount(cause) };
    }

    /// <summary>A key, a role, a login or an account's name that is wrong is wrong for every blob, until somebody puts it right.</summary>
    private static bool IsOfAccount(Exception cause) =>
        cause is CredentialUnavailableException or RequestFailedException { Status: 401 or 403 } or RequestFailedException { Status: 404, ErrorCode: "ResourceNotFound" };

    private static Exception Innermost(Exception exception) => exception.InnerException is { } inner ? Innermost(inner) : exception;

    private static string FirstLine(string text) => text.AsSpan().TrimStart() is var trimmed && trimmed.IndexOfAny('\r', '\n') is > 0 and var end ? trimmed[..end].ToString() : trimmed.ToString();
}
