using OzFunctions.Requests;

namespace OzFunctions.Schedules;

/// <summary>A schedule cannot be made, changed or started as asked. Nothing was changed.</summary>
public sealed class ScheduleException : Exception
{
    private ScheduleException(ScheduleRefusal refusal, string message, IReadOnlyList<RequestFault> faults)
        : base(message) => (Refusal, Faults) = (refusal, faults);

    public ScheduleRefusal Refusal { get; }

    /// <summary>What is wrong with the definition, for <see cref="ScheduleRefusal.Invalid"/>.</summary>
    public IReadOnlyList<RequestFault> Faults { get; }

    public static ScheduleException Invalid(IReadOnlyList<RequestFault> faults) =>
        new(ScheduleRefusal.Invalid, string.Join(Environment.NewLine, faults.Select(fault => fault.ToString())), faults);

    public static ScheduleException NotFound(string name) => new(ScheduleRefusal.NotFound, $"there is no schedule '{name}' (ozf schedules list).", []);

    public static ScheduleException Taken(string name) =>
        new(ScheduleRefusal.Conflict, $"there is a schedule '{name}' already, with another definition: change it with an update, or choose another name.", []);

    public static ScheduleException ReadOnly(string name) =>
        new(ScheduleRefusal.Conflict, $"schedule '{name}' comes from the configuration (schedules[]): change it there. It can be paused, resumed and run from here.", []);

    public static ScheduleException Off(string name) =>
        new(ScheduleRefusal.Conflict, $"schedule '{name}' is off in the configuration (enabled: false): change it there.", []);
}

public enum ScheduleRefusal
{
    /// <summary>400, exit 64.</summary>
    Invalid,

    /// <summary>404.</summary>
    NotFound,

    /// <summary>409.</summary>
    Conflict,
}
