namespace OzFunctions.Events;

/// <summary>What an event tells of a run: the last part of its id.</summary>
public enum RunEventKind
{
    Queued,
    Started,

    /// <summary>The one that is owed (guarantee 5); the others are best effort.</summary>
    Completed,
}

/// <summary>Kinds as text, in configuration and event ids.</summary>
public static class RunEventKinds
{
    public static IReadOnlyList<RunEventKind> All { get; } = [RunEventKind.Queued, RunEventKind.Started, RunEventKind.Completed];

    public static string Text(this RunEventKind kind) => kind switch
    {
        RunEventKind.Queued => "queued",
        RunEventKind.Started => "started",
        _ => "completed",
    };

    /// <summary>Null: no such kind.</summary>
    public static RunEventKind? Find(string text) => All.Where(kind => kind.Text() == text).Select(kind => (RunEventKind?)kind).FirstOrDefault();
}
