namespace OzFunctions.AzureStorage;

/// <summary>The setting that names the storage account cannot be one. The message never repeats it: it may hold a key.</summary>
public sealed class StorageSettingException(string message) : Exception(message);
