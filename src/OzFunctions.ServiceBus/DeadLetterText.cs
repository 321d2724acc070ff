namespace OzFunctions.ServiceBus;

/// <summary>What the broker takes as reason and description of a dead letter.</summary>
public static class DeadLetterText
{
    private const int Most = 4096;

    /// <summary>At most 4,096 characters, which is the broker's limit.</summary>
    public static string Shorten(string text) => text.Length <= Most ? text : text[..(Most - 1)] + "…";
}
