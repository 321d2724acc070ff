namespace OzFunctions.Keys;

/// <summary>What a key may do. <see cref="Admin"/> may do everything.</summary>
[Flags]
public enum KeyScopes
{
    None = 0,

    /// <summary>Ask for runs.</summary>
    Submit = 1,

    /// <summary>Look at runs, logs, artifacts, workers, schedules.</summary>
    Read = 2,

    /// <summary>End runs.</summary>
    Cancel = 4,

    /// <summary>Change what others depend on: workers, schedules, dead letters, webhooks.</summary>
    Admin = 8,

    All = Submit | Read | Cancel | Admin,
}
