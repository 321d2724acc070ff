using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.AzureStorage;

/// <summary>Names in the storage account (design section 12).</summary>
public static class StorageNames
{
    public const string Container = "ozfunctions";

    /// <summary>What foreign producers send run requests to.</summary>
    public const string Requests = "oz-requests";

    /// <summary>Where completion events go unless <c>events[]</c> says otherwise.</summary>
    public const string Events = "oz-events";

    /// <summary>Where the Functions runtime puts messages that it gave up.</summary>
    public static string PoisonOf(string queue) => queue + "-poison";

    /// <summary><c>oz-bell-&lt;w&gt;</c>, where w is the first 32 hex digits of the worker id's SHA-256.</summary>
    public static string BellOf(string workerId) => "oz-bell-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(workerId)))[..32];
}
