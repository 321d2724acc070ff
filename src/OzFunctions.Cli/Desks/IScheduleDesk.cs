using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Desks;

/// <summary>What commands about schedules ask for: of the store of this machine, or of a front door elsewhere. What cannot be done is a <see cref="ScheduleException"/> or a sentence of the front door's.</summary>
internal interface IScheduleDesk : IAsyncDisposable
{
    /// <summary>Warns of those that cannot be read.</summary>
    Task<IReadOnlyList<ScheduleView>> ListAsync(CancellationToken cancellationToken);

    Task<ScheduleView> GetAsync(string name, CancellationToken cancellationToken);

    Task<ScheduleView> CreateAsync(string name, ScheduleDefinition definition, bool paused, CancellationToken cancellationToken);

    /// <summary>Replaces the definition of one that was read; paused or not it stays.</summary>
    Task<ScheduleView> UpdateAsync(ScheduleRecord there, ScheduleDefinition definition, CancellationToken cancellationToken);

    Task<ScheduleView> SetPausedAsync(string name, bool paused, CancellationToken cancellationToken);

    Task DeleteAsync(string name, CancellationToken cancellationToken);

    /// <param name="key">A repeat with the same key answers the first run; null: every call starts one.</param>
    Task<ScheduleStart> RunNowAsync(string name, string? key, CancellationToken cancellationToken);
}

/// <summary>A schedule, and whether it starts runs where it was asked for.</summary>
internal sealed record ScheduleView(ScheduleRecord Schedule, ScheduleState State);

/// <summary>The run that a schedule was told to start.</summary>
internal sealed record ScheduleStart(RunId RunId, bool Created);
