using OzFunctions.Requests;

namespace OzFunctions.Schedules;

/// <summary>A schedule cannot be made, changed or started as asked. Nothing was changed.</summary>
public sealed class ScheduleException : Exception
{
    private ScheduleException(ScheduleRefusal refusal, string message, IReadOnlyList<RequestFault> faults, Exception? inner = null)
        : base(message, inner) => (Refusal, Faults) = (refusal, faults);

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

    /// <summary>What stands there was not written by OzFunctions, or only in part.</summary>
    public static ScheduleException Broken(string name, Exception? inner) =>
        new(ScheduleRefusal.Broken, $"schedule '{name}' cannot be read: schedules/{name}.json is not what OzFunctions wrote. It starts nothing; delete it, then make it again.", [], inner);

    /// <summary>What stands there may be all right.</summary>
    public static ScheduleException Newer(string name) =>
        new(ScheduleRefusal.Newer, $"schedule '{name}' cannot be read: schedules/{name}.json was written by a newer version. It starts nothing here; upgrade ozf.", []);
}

public enum ScheduleRefusal
{
    /// <summary>400, exit 64.</summary>
    Invalid,

    /// <summary>404.</summary>
    NotFound,

    /// <summary>409.</summary>
    Conflict,

    /// <summary>409; exit 69, or 64 from a front door.</summary>
    Broken,

    /// <summary>409; exit 69, or 64 from a front door.</summary>
    Newer,
}
