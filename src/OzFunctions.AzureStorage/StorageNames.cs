namespace OzFunctions.AzureStorage;

/// <summary>Names in the storage account (design section 12).</summary>
internal static class StorageNames
{
    public const string Container = "ozfunctions";
}
