using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.Keys;

/// <summary>The text of keys: made here, known elsewhere only by its hash.</summary>
public static class KeyText
{
    /// <summary>Least characters of a key that a person chose.</summary>
    private const int LeastLength = 20;

    /// <summary>How the key of <c>local.settings.sample.json</c> begins.</summary>
    private const string Sample = "change-this-key";

    /// <summary>Name of the key that is always there, <c>&lt;data&gt;/api-key</c>.</summary>
    public const string LocalName = "local";

    /// <summary>A new key of 256 random bits. The prefix lets scanners of leaked secrets, and people, know it.</summary>
    public static string Create() => "ozf_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>What is wrong with a key that a person chose; null when it is fine. One with a space or line end around it would be hashed with it, and no caller's header has it.</summary>
    public static string? FindFault(string key)
    {
        if (UnresolvedReference.FindFault(key) is { } unresolved)
        {
            return unresolved;
        }

        if (key.StartsWith(Sample, StringComparison.OrdinalIgnoreCase))
        {
            return "is the one of the sample, which everybody can read; 'ozf keys new' makes one of your own";
        }

        return key.Length < LeastLength || key.Any(character => character is <= ' ' or >= '\x7f')
            ? string.Create(CultureInfo.InvariantCulture, $"must be at least {LeastLength} visible ASCII characters without spaces or line ends; 'ozf keys new' makes one")
            : null;
    }

    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
