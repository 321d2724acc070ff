using System.Globalization;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Http.Runs;

/// <summary>What a list asks for (facts D4.3), read from the query; <c>worker_id</c> is ours.</summary>
internal sealed class RunFilter
{
    public const int MostRuns = 500;

    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "limit", "cursor", "sort_by", "sort_order", "state", "state[]", "name", "model_id", "creator", "source", "execution_location", "created_after", "created_before",
        "updated_after", "environment_id", "skill", "skill_spec", "schedule_id", "ancestor_run_id", "artifact_type", "q", "worker_id", "worker_host",
    };

    private readonly List<RequestFault> _faults = [];
    private readonly List<Func<RunSummary, bool>> _ofSummary = [];
    private readonly List<Func<RunRecord, bool>> _ofRecord = [];

    private RunFilter()
    {
    }

    public int Limit { get; private set; } = 20;

    public RunOrder Order { get; private set; } = RunOrder.NewestFirst;

    public string? Cursor { get; private set; }

    /// <summary>Whether records must be read to know what fits.</summary>
    public bool NeedsRecords => _ofRecord.Count > 0;

    public bool Fits(RunSummary run) => _ofSummary.TrueForAll(fits => fits(run));

    public bool Fits(RunRecord run) => _ofRecord.TrueForAll(fits => fits(run));

    /// <summary>Throws a problem with every fault of the query.</summary>
    public static RunFilter Read(ApiCall call)
    {
        var filter = new RunFilter();
        filter.ReadPage(call);
        filter.ReadFilters(call);
        foreach (var name in call.Request.Query.Keys.Where(name => !Known.Contains(name)))
        {
            filter._faults.Add(new(FaultValue.Shorten(name), null, "is not a filter of runs" + Suggestion.For(name, Known)));
        }

        return filter._faults.Count > 0 ? throw ApiException.Invalid(filter._faults) : filter;
    }

    private void ReadPage(ApiCall call)
    {
        if (call.Query("limit") is { } limit)
        {
            if (int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= MostRuns)
            {
                Limit = number;
            }
            else
            {
                Fault("limit", limit, $"must be a whole number from 1 to {MostRuns}");
            }
        }

        Cursor = call.Query("cursor");
        var by = OneOf(call, "sort_by", "created_at", "updated_at", "title", "agent") ?? "created_at";
        var descending = OneOf(call, "sort_order", "desc", "asc") is null or "desc";
        Order = new(by, descending);
    }

    private void ReadFilters(ApiCall call)
    {
        ReadStates(call);
        Summary(call.Query("worker_id") ?? call.Query("worker_host"), (run, worker) => run.WorkerId == worker);
        Time(call, "created_after", (time, bound) => time > bound);
        Time(call, "created_before", (time, bound) => time < bound);
        if (ReadTime(call, "updated_after") is { } updated)
        {
            _ofRecord.Add(run => run.UpdatedAt > updated);
        }

        if (OneOf(call, "source", "API", "CLI", "LOCAL", "SCHEDULED_AGENT", "LINEAR", "SLACK", "WEB_APP", "GITHUB_ACTION", "CLOUD_MODE") is { } source)
        {
            _ofRecord.Add(run => RunItemJson.SourceOf(run.Trigger.Kind) == source);
        }

        // All runs here are on hosts of one's own: remote to whom asks.
        if (OneOf(call, "execution_location", "REMOTE", "LOCAL") is "LOCAL")
        {
            _ofSummary.Add(_ => false);
        }

        Record(call.Query("name"), (run, name) => run.Request.Name == name);
        Record(call.Query("model_id"), (run, model) => run.Request.Model == model);
        Record(call.Query("environment_id"), (run, environment) => run.Request.Environment == environment);
        Record(call.Query("skill"), (run, skill) => run.Request.Skill == skill);
        Record(call.Query("skill_spec"), (run, skill) => run.Request.Skill == skill);
        Record(call.Query("creator"), (run, creator) => run.AskedBy == creator);
        Record(call.Query("schedule_id"), (run, schedule) => run.Trigger.Kind == TriggerKind.Schedule && run.Trigger.Name == schedule);
        Record(call.Query("q"), (run, text) => new[] { run.Title, run.Request.Prompt, run.Request.Skill }.Any(field => field?.Contains(text, StringComparison.OrdinalIgnoreCase) is true));
        Record(OneOf(call, "artifact_type", "PULL_REQUEST", "FILE", "PLAN", "SCREENSHOT"), (run, type) => type switch
        {
            "PULL_REQUEST" => run.CurrentAttempt?.PullRequests is { Count: > 0 },
            "FILE" => run.CurrentAttempt?.Artifacts is { Count: > 0 },
            _ => false,
        });
        if (call.Query("ancestor_run_id") is { } ancestor)
        {
            Fault("ancestor_run_id", ancestor, "runs here have no parents; leave it out");
        }
    }

    private void ReadStates(ApiCall call)
    {
        var wanted = new HashSet<RunState>();
        foreach (var text in call.QueryAll("state").SelectMany(value => value.Split(',')))
        {
            if (Enum.GetValues<RunState>().Where(state => state.Text().Equals(text, StringComparison.OrdinalIgnoreCase)).ToList() is [var state])
            {
                wanted.Add(state);
            }
            else if (!text.Equals("PENDING", StringComparison.OrdinalIgnoreCase))
            {
                Fault("state", text, $"must be one of {string.Join(", ", Enum.GetValues<RunState>().Select(known => known.Text()))}");
            }
        }

        if (call.Request.Query.ContainsKey("state") || call.Request.Query.ContainsKey("state[]"))
        {
            // PENDING is a state of the vendor's that no run here is in.
            _ofSummary.Add(run => wanted.Contains(run.State));
        }
    }

    private void Summary(string? value, Func<RunSummary, string, bool> fits)
    {
        if (value is not null)
        {
            _ofSummary.Add(run => fits(run, value));
        }
    }

    private void Record(string? value, Func<RunRecord, string, bool> fits)
    {
        if (value is not null)
        {
            _ofRecord.Add(run => fits(run, value));
        }
    }

    private void Time(ApiCall call, string name, Func<DateTimeOffset, DateTimeOffset, bool> fits)
    {
        if (ReadTime(call, name) is { } bound)
        {
            _ofSummary.Add(run => fits(run.CreatedAt, bound));
        }
    }

    private DateTimeOffset? ReadTime(ApiCall call, string name)
    {
        if (call.Query(name) is not { } text)
        {
            return null;
        }

        // A plus sign that was not encoded arrives as a space.
        if (TimeText.TryParse(text.Replace(' ', '+'), out var time))
        {
            return time;
        }

        Fault(name, text, "must be an RFC 3339 time with a zone, such as 2026-01-31T08:00:00Z");
        return null;
    }

    private string? OneOf(ApiCall call, string name, params string[] possible)
    {
        var text = call.Query(name);
        if (text is null || possible.Contains(text))
        {
            return text;
        }

        Fault(name, text, $"must be one of {string.Join(", ", possible)}");
        return null;
    }

    private void Fault(string path, string value, string rule) => _faults.Add(new(path, FaultValue.Shorten(value), rule));
}

/// <summary>How a list is ordered.</summary>
internal sealed record RunOrder(string By, bool Descending)
{
    public static readonly RunOrder NewestFirst = new("created_at", true);

    /// <summary>The text that runs are compared by, ordinally; the run's id breaks ties.</summary>
    public string KeyOf(RunRecord run) => By switch
    {
        "updated_at" => TimeText.Format(run.UpdatedAt),
        "title" => RunItemJson.TitleOf(run).ToUpperInvariant(),
        "agent" => (run.Request.Name ?? run.Request.Skill ?? "").ToUpperInvariant(),
        _ => TimeText.Format(run.CreatedAt),
    };

    public int Compare((string Key, RunId Id) one, (string Key, RunId Id) other)
    {
        var order = string.CompareOrdinal(one.Key, other.Key);
        order = order != 0 ? order : string.CompareOrdinal(one.Id.Value, other.Id.Value);
        return Descending ? -order : order;
    }
}
