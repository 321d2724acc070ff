using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Testing;

/// <summary>
/// Guarantees 1 to 8 of the design, checked on what is left when all is quiet: the store, the events that came, what commands themselves wrote down, the
/// processes and directories of the machine. Whatever is not given is not checked.
/// </summary>
public sealed record GuaranteeCheck
{
    public required StoreSnapshot Store { get; init; }

    /// <summary>Ids that submitters were answered (guarantee 2).</summary>
    public IReadOnlyCollection<RunId> Accepted { get; init; } = [];

    /// <summary>Ids of the completion events that arrived, repeats included (guarantee 5); null: not looked at.</summary>
    public IReadOnlyCollection<string>? CompletionIds { get; init; }

    /// <summary>How often the agent of each attempt was really executed, as it wrote down itself: <c>run_id.attempt</c> → times; null: not looked at.</summary>
    public IReadOnlyDictionary<string, int>? Executions { get; init; }

    /// <summary>The same for teardown (guarantee 7).</summary>
    public IReadOnlyDictionary<string, int>? Teardowns { get; init; }

    /// <summary>Processes of any attempt that live (guarantee 6).</summary>
    public IReadOnlyCollection<string> Processes { get; init; } = [];

    /// <summary>Workspaces and private directories that are still there.</summary>
    public IReadOnlyCollection<string> Directories { get; init; } = [];

    /// <summary>Secrets that stand nowhere (guarantee 8), neither in the store nor in <see cref="Texts"/>.</summary>
    public IReadOnlyCollection<Canary> Canaries { get; init; } = [];

    /// <summary>What else left the private directories, by what it is: logs of hosts, output of commands.</summary>
    public IReadOnlyDictionary<string, string> Texts { get; init; } = new Dictionary<string, string>();

    /// <summary>One sentence for each breach, with the guarantee's number; none: all hold.</summary>
    public IReadOnlyList<string> FindBreaches()
    {
        var records = ReadRecords();
        return [
            .. OneRunPerRequest(records),
            .. AcceptedMeansDurable(records),
            .. records.SelectMany(AtMostOneOwner),
            .. records.SelectMany(ExactlyOneEnd),
            .. NothingIsOwed(),
            .. Events(records),
            .. Processes.Select(process => $"6: a process lives on: {process}"),
            .. Directories.Select(directory => $"6: a directory is left: {directory}"),
            .. records.SelectMany(TeardownOnce),
            .. records.SelectMany(record => record.Attempts.SelectMany(attempt => SealedLog(record, attempt))),
            .. Canaries.SelectMany(NoSecret)];
    }

    /// <summary>Fails with all breaches.</summary>
    public void AssertAllHold()
    {
        var breaches = FindBreaches();
        Assert.True(breaches.Count == 0, string.Join('\n', breaches));
    }

    public IReadOnlyList<RunRecord> ReadRecords() =>
        [.. Store.Under(RunBlobs.RecordPrefix).Where(name => RunBlobs.TryParseRecord(name, out _)).Select(name => JsonSerializer.Deserialize(Store.Find(name), RunJson.Wire.RunRecord)!)];

    private static string KeyOf(RunRecord record, int attempt) => string.Create(CultureInfo.InvariantCulture, $"{record.RunId}.{attempt}");

    private static IEnumerable<string> OneRunPerRequest(IReadOnlyList<RunRecord> records) =>
        records.Where(record => record.Request.IdempotencyKey is not null)
            .GroupBy(record => (record.Trigger.Kind, record.Trigger.Name, record.Request.IdempotencyKey))
            .Where(group => group.Count() > 1)
            .Select(group => $"1: {group.Count()} runs for the key {group.Key.IdempotencyKey}: {string.Join(", ", group.Select(record => record.RunId))}");

    private IEnumerable<string> AcceptedMeansDurable(IReadOnlyList<RunRecord> records) =>
        Accepted.Except(records.Select(record => record.RunId)).Select(runId => $"2: run {runId} was accepted and has no record");

    /// <summary>No two owners ever worked at once: attempts are numbered without repeats, and each executed its agent at most once, which the record knows of.</summary>
    private IEnumerable<string> AtMostOneOwner(RunRecord record)
    {
        // A claim that was given back (no room for its key, a host that stopped) leaves a number out.
        var numbers = record.Attempts.Select(attempt => attempt.Attempt).ToList();
        if (!numbers.SequenceEqual(numbers.Distinct().Order()) || numbers.Any(number => number < 1 || number > record.Attempt))
        {
            yield return $"3: run {record.RunId} has attempts {string.Join(", ", record.Attempts.Select(attempt => attempt.Attempt))} and says {record.Attempt}";
        }

        if (record.Fence < record.Attempts.Count)
        {
            yield return $"3: run {record.RunId} was claimed {record.Attempts.Count} times and its fence is {record.Fence}";
        }

        if (record.Starts > record.MaxStarts)
        {
            yield return $"3: run {record.RunId} was started {record.Starts} times, {record.MaxStarts} were allowed";
        }

        if (Executions is null)
        {
            yield break;
        }

        foreach (var attempt in record.Attempts)
        {
            if (Executions.GetValueOrDefault(KeyOf(record, attempt.Attempt)) is > 1 and var times)
            {
                yield return $"3: the agent of run {record.RunId} attempt {attempt.Attempt} was executed {times} times";
            }
        }

        var all = record.Attempts.Sum(attempt => Executions.GetValueOrDefault(KeyOf(record, attempt.Attempt)));
        if (all > record.Starts || (record.State == RunState.Succeeded && all == 0))
        {
            yield return $"3: run {record.RunId} says {record.Starts} starts; its agent was executed {all} times";
        }
    }

    private static IEnumerable<string> ExactlyOneEnd(RunRecord record)
    {
        if (!record.State.IsTerminal() || record.Reason is not { } reason || record.FinishedAt is null)
        {
            yield return $"4: run {record.RunId} is {record.State.Text()} ({record.Reason}) and has no end";
        }
        else if (reason.State() != record.State)
        {
            yield return $"4: run {record.RunId} is {record.State.Text()} with the reason {reason.Text()}";
        }
        else if (record.CurrentAttempt is { State: null } or { FinishedAt: null })
        {
            yield return $"4: the last attempt of run {record.RunId} has no end";
        }
    }

    private IEnumerable<string> NothingIsOwed() =>
        ((string[])[RunBlobs.ActivePrefix, "ready/", "later/", "locks/"]).SelectMany(Store.Under).Select(name => $"4: {name} is left");

    private IEnumerable<string> Events(IReadOnlyList<RunRecord> records)
    {
        foreach (var record in records.Where(record => record.State.IsTerminal()))
        {
            var id = string.Create(CultureInfo.InvariantCulture, $"{record.RunId}:{record.Attempt}:completed");
            if (record.Event?.TryGetProperty("id", out var stored) != true || stored.GetString() != id)
            {
                yield return $"5: the record of run {record.RunId} holds no event {id}";
            }

            // The last entry is not taken out when everything was sent: the marker says whether anything is owed.
            if (record.Outbox is { Count: > 0 } outbox && Store.Find(RunBlobs.Active(record.RunId)) is not null)
            {
                yield return $"5: the event of run {record.RunId} is still owed to {string.Join(", ", outbox.Select(entry => entry.Publisher))}";
            }

            if (CompletionIds?.Contains(id) == false)
            {
                yield return $"5: the event {id} never came";
            }
        }

        foreach (var several in (CompletionIds ?? []).Distinct().GroupBy(id => id.Split(':')[0]).Where(group => group.Count() > 1))
        {
            yield return $"5: run {several.Key} has completed more than once: {string.Join(", ", several)}";
        }
    }

    /// <summary>A supervisor that was shot after its agent had ended leaves teardown out, and the record says so: no other reason counts.</summary>
    private static bool SaysWhy(AttemptRecord attempt) =>
        attempt.Teardown is { Ran: false } && attempt.Warnings?.Any(warning => warning.Contains("the supervisor of the run was killed", StringComparison.Ordinal)) == true;

    private IEnumerable<string> TeardownOnce(RunRecord record)
    {
        if (Teardowns is null)
        {
            yield break;
        }

        foreach (var attempt in record.Attempts)
        {
            var times = Teardowns.GetValueOrDefault(KeyOf(record, attempt.Attempt));
            if (times > 1)
            {
                yield return $"7: teardown of run {record.RunId} attempt {attempt.Attempt} ran {times} times";
            }
            else if (attempt.Teardown is { Ran: true, ExitCode: 0 } && times == 0)
            {
                yield return $"7: the record says that teardown of run {record.RunId} attempt {attempt.Attempt} ran, and it did not";
            }
            else if (times == 0 && Executions?.GetValueOrDefault(KeyOf(record, attempt.Attempt)) > 0 && attempt.Reason != RunReason.HostLost && !SaysWhy(attempt))
            {
                yield return $"7: the agent of run {record.RunId} attempt {attempt.Attempt} ended {attempt.Reason} and no teardown ran";
            }
        }
    }

    /// <summary>What the record says of a sealed log is true, and its lines are numbered without gaps.</summary>
    private IEnumerable<string> SealedLog(RunRecord record, AttemptRecord attempt)
    {
        if (attempt.Log is not { Sealed: true } log)
        {
            yield break;
        }

        var bytes = Store.Find(RunBlobs.Log(record.RunId, attempt.Attempt)) ?? [];
        if (bytes.Length != log.Bytes || (log.Sha256 is not null && Convert.ToHexStringLower(SHA256.HashData(bytes)) != log.Sha256))
        {
            yield return $"4: the log of run {record.RunId} attempt {attempt.Attempt} is not what was sealed";
            yield break;
        }

        var number = 0L;
        foreach (var line in System.Text.Encoding.UTF8.GetString(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.GetProperty("n").GetInt64() != ++number)
            {
                yield return $"4: the log of run {record.RunId} attempt {attempt.Attempt} has no line {number}";
                yield break;
            }
        }

        if (number != log.Lines)
        {
            yield return $"4: the log of run {record.RunId} attempt {attempt.Attempt} has {number} lines, the record says {log.Lines}";
        }
    }

    private IEnumerable<string> NoSecret(Canary canary)
    {
        foreach (var (name, content) in Store.All)
        {
            if ((canary.FindIn(name) ?? canary.FindIn(content)) is { } form)
            {
                yield return $"8: {canary.Name} stands in {name} as {form}";
            }
        }

        foreach (var (what, text) in Texts)
        {
            if (canary.FindIn(text) is { } form)
            {
                yield return $"8: {canary.Name} stands in {what} as {form}";
            }
        }
    }
}
