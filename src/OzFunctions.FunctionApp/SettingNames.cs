namespace OzFunctions.FunctionApp;

/// <summary>
/// App settings that this app reads. <c>local.settings.sample.json</c>, <c>infra/</c> and <c>docs/azure.md</c> use the same names: <c>SettingNamesTests</c> compares them.
/// </summary>
internal static class SettingNames
{
    /// <summary>The YAML document: a path, or <c>blob:config/ozf.yaml</c>. Optional.</summary>
    public const string Config = "OZF_CONFIG";

    /// <summary>The storage account: a connection string, or below it <c>blobServiceUri</c> (and for the trigger <c>queueServiceUri</c>, <c>credential</c>, <c>clientId</c>).</summary>
    public const string Storage = "OZF_STORAGE";

    /// <summary>Service Bus: a connection string, or below it <c>fullyQualifiedNamespace</c> (and for the triggers <c>credential</c>, <c>clientId</c>). Optional.</summary>
    public const string ServiceBus = "OZF_SERVICEBUS";

    /// <summary>A key of the API with every scope, beside those in <c>api_keys[]</c>. Optional where there are such.</summary>
    public const string ApiKey = "OZF_API_KEY";

    /// <summary>The user-assigned identity that calls storage and Service Bus.</summary>
    public const string ClientId = "AZURE_CLIENT_ID";

    public const string ApplicationInsights = "APPLICATIONINSIGHTS_CONNECTION_STRING";

    public const string BlobServiceUri = "blobServiceUri";

    public const string FullyQualifiedNamespace = "fullyQualifiedNamespace";

    /// <summary>The queue of run requests, on Storage Queues and on Service Bus.</summary>
    public const string RequestQueue = "oz-requests";
}
