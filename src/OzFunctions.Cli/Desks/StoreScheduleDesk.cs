using OzFunctions.Cli.Stores;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Desks;

/// <summary>Schedules of the store that this call works on, and of the configuration here.</summary>
/// <param name="user">Who asks; null: nobody knows.</param>
internal sealed class StoreScheduleDesk(OpenStore store, string? user, Action<string> warn) : IScheduleDesk
{
    private readonly ScheduleStore _schedules = store.Core.Schedules;

    public async Task<IReadOnlyList<ScheduleView>> ListAsync(CancellationToken cancellationToken) =>
        await _schedules.ListAsync((_, unreadable) => warn(unreadable.Message), cancellationToken).Select(View).ToListAsync(cancellationToken);

    public async Task<ScheduleView> GetAsync(string name, CancellationToken cancellationToken) => View(await _schedules.GetAsync(name, cancellationToken));

    public async Task<ScheduleView> CreateAsync(string name, ScheduleDefinition definition, bool paused, CancellationToken cancellationToken) =>
        View(await _schedules.CreateAsync(name, definition, paused, user, cancellationToken));

    public async Task<ScheduleView> UpdateAsync(ScheduleRecord there, ScheduleDefinition definition, CancellationToken cancellationToken) =>
        View(await _schedules.UpdateAsync(there.Name, definition, paused: null, user, cancellationToken));

    public async Task<ScheduleView> SetPausedAsync(string name, bool paused, CancellationToken cancellationToken) =>
        View(await (paused ? _schedules.PauseAsync(name, user, cancellationToken) : _schedules.ResumeAsync(name, user, cancellationToken)));

    public Task DeleteAsync(string name, CancellationToken cancellationToken) => _schedules.DeleteAsync(name, cancellationToken);

    public async Task<ScheduleStart> RunNowAsync(string name, string? key, CancellationToken cancellationToken)
    {
        var answer = await _schedules.RunNowAsync(name, key, user, cancellationToken);
        return new(answer.Run.RunId, answer.Created);
    }

    public ValueTask DisposeAsync() => store.DisposeAsync();

    private ScheduleView View(ScheduleRecord schedule) => new(schedule, _schedules.StateOf(schedule));
}
