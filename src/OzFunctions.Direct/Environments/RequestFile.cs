using OzFunctions.Direct.Attempts;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Environments;

/// <summary>What <c>$OZF_REQUEST_FILE</c> holds, for setup and agent to read.</summary>
internal sealed record RequestFile
{
    public required string RunId { get; init; }

    public required int Attempt { get; init; }

    public required RequestTrigger Trigger { get; init; }

    public string? Title { get; init; }

    public string? Name { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    public string? Prompt { get; init; }

    public string? Skill { get; init; }

    public static RequestFile Of(RunRecord record) => new()
    {
        RunId = record.RunId.Value,
        Attempt = record.Attempt,
        Trigger = new RequestTrigger(record.Trigger.Kind.ToString().ToLowerInvariant(), record.Trigger.Name, record.Trigger.DeliveryId),
        Title = record.Request.Title,
        Name = record.Request.Name,
        Metadata = record.Request.Metadata,
        Prompt = record.Request.Prompt,
        Skill = record.Request.Skill,
    };
}

/// <summary>What asked for the run, in the words of the record.</summary>
internal sealed record RequestTrigger(string Kind, string? Name, string? DeliveryId);
