using System.Text.RegularExpressions;

namespace OzFunctions.Requests;

/// <summary>What a <c>worker_id</c> may be (facts B1.2).</summary>
public static partial class WorkerIdRule
{
    /// <summary>What is wrong with the id; null when it is fine.</summary>
    public static string? FindFault(string workerId)
    {
        if (workerId.Length == 0)
        {
            return "is empty; leave it out for the default worker";
        }

        if (workerId.StartsWith("warp", StringComparison.Ordinal))
        {
            return "values starting with 'warp' are reserved and cannot be used; choose another name";
        }

        return Pattern().IsMatch(workerId) ? null : "must have letters, digits, '.', '_' and '-', begin with a letter or digit, and be at most 128 long";
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z")]
    private static partial Regex Pattern();
}
