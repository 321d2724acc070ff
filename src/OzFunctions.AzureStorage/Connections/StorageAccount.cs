using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Identity;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using OzFunctions.Keys;

namespace OzFunctions.AzureStorage;

/// <summary>
/// One storage account, as <c>storage</c>, <c>OZF_STORAGE</c> or <c>--storage</c> names it: a connection string, or the https address of its blob service, then
/// with the identity of this process (environment, workload or managed identity, Azure CLI). Nothing is asked of the account before the first call.
/// </summary>
public sealed class StorageAccount
{
    // The newest that Azurite 3.35.0 knows. Both services keep old versions for years.
    private const BlobClientOptions.ServiceVersion BlobVersion = BlobClientOptions.ServiceVersion.V2025_11_05;
    private const QueueClientOptions.ServiceVersion QueueVersion = QueueClientOptions.ServiceVersion.V2025_11_05;

    private const string BlobHost = ".blob.";

    private readonly BlobServiceClient _blobs;
    private readonly QueueServiceClient _queues;

    private StorageAccount(BlobServiceClient blobs, QueueServiceClient queues, bool hasIdentity, StorageAccountOptions options, TimeProvider time)
    {
        (_blobs, _queues, HasIdentity) = (blobs, queues, hasIdentity);
        Container = blobs.GetBlobContainerClient(StorageNames.Container);
        Calls = new(Container.Uri.GetLeftPart(UriPartial.Authority), options, time);
        QueueCalls = new(queues.Uri.GetLeftPart(UriPartial.Authority), options, time);
        Time = time;
    }

    /// <summary>Names the store in attempt directories: the container's address.</summary>
    public string StoreId => Container.Uri.GetLeftPart(UriPartial.Path);

    /// <summary>What people call it: host and account, without a secret.</summary>
    public string Name => Container.Uri.GetLeftPart(UriPartial.Path)[..^(StorageNames.Container.Length + 1)];

    internal BlobServiceClient Service => _blobs;

    internal BlobContainerClient Container { get; }

    /// <summary>Calls of the blob service; their faults name its address.</summary>
    internal StorageCalls Calls { get; }

    /// <summary>Calls of the queue service, which may be away by itself.</summary>
    internal StorageCalls QueueCalls { get; }

    internal TimeProvider Time { get; }

    /// <summary>Whether calls are signed by an identity, not by a key or a signature.</summary>
    internal bool HasIdentity { get; }

    /// <param name="setting">A connection string or an https address.</param>
    /// <exception cref="StorageSettingException">It cannot name an account with its blobs and queues.</exception>
    public static StorageAccount Open(string setting, StorageAccountOptions options, TimeProvider time) => Open(setting, options, time, queuesAlone: false);

    /// <summary>An account of which nothing but queues is asked: a signature for the queue service and its <c>QueueEndpoint</c> are enough.</summary>
    /// <param name="setting">A connection string or an https address.</param>
    /// <exception cref="StorageSettingException">It cannot name an account with its queues.</exception>
    public static StorageAccount OpenQueues(string setting, StorageAccountOptions options, TimeProvider time) => Open(setting, options, time, queuesAlone: true);

    private static StorageAccount Open(string setting, StorageAccountOptions options, TimeProvider time, bool queuesAlone)
    {
        var (blobs, queues) = (BlobOptions(options), QueueOptions(options));
        setting = setting.Trim();
        if (UnresolvedReference.FindFault(setting) is { } fault)
        {
            throw new StorageSettingException($"it {fault}.");
        }

        if (!setting.Contains('=', StringComparison.Ordinal) || setting.StartsWith("http", StringComparison.OrdinalIgnoreCase))
        {
            var (blobAddress, queueAddress) = Addresses(setting);
            var identity = options.Identity ?? new DefaultAzureCredential();
            return new(new(blobAddress, identity, blobs), new(queueAddress, identity, queues), hasIdentity: true, options, time);
        }

        try
        {
            var queueService = new QueueServiceClient(setting, queues);
            if (queueService.Uri is null)
            {
                throw Lacks("QueueEndpoint");
            }

            var blobService = queuesAlone ? new(queueService.Uri, blobs) : OpenBlobs(setting, blobs);
            return new(blobService, queueService, hasIdentity: false, options, time);
        }
        catch (Exception ex) when (ex is FormatException or ArgumentException or InvalidOperationException)
        {
            // The exception may quote what it could not read, a key among it.
            throw new StorageSettingException(
                "it is not a connection string of a storage account: expected are name=value pairs with ';' between them, such as DefaultEndpointsProtocol, AccountName, AccountKey "
                + "(base64) or SharedAccessSignature and BlobEndpoint and QueueEndpoint; or UseDevelopmentStorage=true; or the https address of the account's blob service.");
        }
    }

    /// <summary>Reads a blob whole, at once and on this thread: for a configuration, before anything runs. Null: there is no such blob.</summary>
    public ReadOnlyMemory<byte>? Read(string name)
    {
        var blob = Container.GetBlobClient(AzureNames.Encode(name));
        return Calls.Run<ReadOnlyMemory<byte>?>(token =>
        {
            try
            {
                return blob.DownloadContent(token).Value.Content.ToMemory();
            }
            catch (RequestFailedException ex) when (ex.Status == 404)
            {
                return null;
            }
        });
    }

    private static BlobServiceClient OpenBlobs(string setting, BlobClientOptions options)
    {
        try
        {
            return new(setting, options);
        }
        catch (NullReferenceException)
        {
            // The SDK takes a string that names other services only, and then reads the address that is not there.
            throw Lacks("BlobEndpoint");
        }
    }

    private static StorageSettingException Lacks(string endpoint) => new(
        $"it names no {endpoint}: without AccountName and AccountKey give both BlobEndpoint and QueueEndpoint, with a SharedAccessSignature for both services; for a queue of events QueueEndpoint alone will do.");

    internal QueueClient Queue(string name) => _queues.GetQueueClient(name);

    private static (Uri Blobs, Uri Queues) Addresses(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var blobs) || blobs.Scheme != Uri.UriSchemeHttps)
        {
            throw new StorageSettingException("it is neither a connection string nor an https address such as https://ACCOUNT.blob.core.windows.net.");
        }

        if (blobs.UserInfo.Length > 0 || blobs.Query.Length > 0 || blobs.Fragment.Length > 0 || blobs.AbsolutePath != "/")
        {
            throw new StorageSettingException(
                "the address of a blob service holds neither path nor '?' nor '#'; a shared access signature goes into a connection string: BlobEndpoint=…;QueueEndpoint=…;SharedAccessSignature=….");
        }

        var at = blobs.Host.IndexOf(BlobHost, StringComparison.Ordinal);
        return at > 0
            ? (blobs, new UriBuilder(blobs) { Host = string.Concat(blobs.Host.AsSpan(0, at), ".queue.", blobs.Host.AsSpan(at + BlobHost.Length)) }.Uri)
            : throw new StorageSettingException(
                "the address must be the blob service of an account, https://ACCOUNT.blob.core.windows.net: the address of its queues follows from it. For a domain of your own give a connection string.");
    }

    internal static BlobClientOptions BlobOptions(StorageAccountOptions options)
    {
        var made = Prepare(new BlobClientOptions(BlobVersion), options);

        // Blocks carry an MD5 of their own (BlobUpload); a second hash of every small write would be for nothing.
        made.TransferValidation.Upload.ChecksumAlgorithm = StorageChecksumAlgorithm.None;
        made.TransferValidation.Download.ChecksumAlgorithm = StorageChecksumAlgorithm.None;
        return made;
    }

    private static QueueClientOptions QueueOptions(StorageAccountOptions options)
    {
        var made = Prepare(new QueueClientOptions(QueueVersion), options);
        made.MessageEncoding = QueueMessageEncoding.None;
        return made;
    }

    private static T Prepare<T>(T made, StorageAccountOptions options)
        where T : ClientOptions
    {
        // StorageCalls repeats: it must know whether a refusal follows a try whose answer was lost.
        made.Retry.MaxRetries = 0;

        // It also ends each try, by what the try carries.
        made.Retry.NetworkTimeout = System.Threading.Timeout.InfiniteTimeSpan;
        made.Diagnostics.IsLoggingEnabled = false;
        made.Diagnostics.IsDistributedTracingEnabled = false;
        made.Diagnostics.IsTelemetryEnabled = false;
        made.Transport = Transport;
        if (options.Between is { } between)
        {
            made.AddPolicy(between, HttpPipelinePosition.PerRetry);
        }

        return made;
    }

    /// <summary>Shared by all accounts of the process, as its connections are.</summary>
    private static readonly HttpClientTransport Transport = new(new HttpClient(StorageSockets.CreateHandler(StorageSockets.DeadAfter)) { Timeout = System.Threading.Timeout.InfiniteTimeSpan });
}
