using OzFunctions.Direct.Attempts;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Environments;

/// <summary>What <c>$OZF_REQUEST_FILE</c> holds, for setup and agent to read.</summary>
internal sealed record RequestFile
{
    public required RunId RunId { get; init; }

    public required int Attempt { get; init; }

    public required RunTrigger Trigger { get; init; }

    public string? Title { get; init; }

    public string? Name { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    public string? Prompt { get; init; }

    public string? Skill { get; init; }

    public static RequestFile Of(RunRecord record) => new()
    {
        RunId = record.RunId,
        Attempt = record.Attempt,
        Trigger = record.Trigger,
        Title = record.Request.Title,
        Name = record.Request.Name,
        Metadata = record.Request.Metadata,
        Prompt = record.Request.Prompt,
        Skill = record.Request.Skill,
    };
}
