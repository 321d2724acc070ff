using System.Globalization;
using System.Text.RegularExpressions;

namespace OzFunctions.Requests;

/// <summary>The rules of a run request (design section 5), for requests read from JSON and for those the command line builds.</summary>
public static partial class RunRequestChecks
{
    /// <summary>Prompt and base prompt travel on argv, where Linux takes at most 128 KiB in one argument.</summary>
    public const int LongestPrompt = 120 * 1024;

    private static readonly string[] Harnesses = ["oz", "claude", "codex", "gemini"];

    /// <summary>Every fault of the request; none when it may run.</summary>
    public static IReadOnlyList<RequestFault> Check(RunRequest request)
    {
        var faults = new FaultList();
        Check(request, faults, "", new HashSet<string>());
        return faults.ToArray();
    }

    /// <param name="prefix">Path of the request inside its document, with the dot.</param>
    /// <param name="broken">Fields that were given but could not be read; they have their fault already.</param>
    internal static void Check(RunRequest request, FaultList faults, string prefix, IReadOnlySet<string> broken)
    {
        CheckPrompts(request, faults, prefix, broken);
        faults.CheckLine(prefix + "title", request.Title, 200);
        faults.CheckLine(prefix + "name", request.Name, 200);
        CheckMetadata(request, faults, prefix);
        faults.CheckLine(prefix + "idempotency_key", request.IdempotencyKey, 256);
        if (request.WorkerId is { } worker && WorkerIdRule.FindFault(worker) is { } workerFault)
        {
            faults.Add(prefix + "worker_id", worker, workerFault);
        }

        CheckShare(request, faults, prefix);
        faults.CheckLine(prefix + "model", request.Model, 256);
        faults.CheckLine(prefix + "profile", request.Profile, 256);
        faults.CheckLine(prefix + "environment", request.Environment, 256);
        faults.CheckLine(prefix + "conversation", request.Conversation, 256);
        if (request.Harness is { } harness && !Harnesses.Contains(harness))
        {
            faults.Add(prefix + "harness", harness, $"is none of {string.Join(", ", Harnesses)}{(harness == "opencode" ? "; the CLI refuses opencode for runs" : Suggestion.For(harness, Harnesses))}");
        }

        McpRules.Check(request.Mcp, faults, prefix);
        EnvRules.Check(request.Env, faults, prefix);
        CheckTimes(request, faults, prefix);
        CheckQueueing(request, faults, prefix);
        CheckArtifacts(request, faults, prefix);
    }

    private static void CheckPrompts(RunRequest request, FaultList faults, string prefix, IReadOnlySet<string> broken)
    {
        faults.CheckText(prefix + "prompt", request.Prompt);
        faults.CheckLine(prefix + "saved_prompt", request.SavedPrompt, 256);
        faults.CheckLine(prefix + "skill", request.Skill, 1024);
        faults.CheckText(prefix + "base_prompt", request.BasePrompt);
        if (request is { Prompt: null, SavedPrompt: null, Skill: null } && !broken.Overlaps(["prompt", "saved_prompt", "skill"]))
        {
            faults.Add(prefix + "prompt", null, "is missing: at least one of prompt, saved_prompt and skill is needed");
        }

        if (request is { Prompt: not null, SavedPrompt: not null })
        {
            faults.Add(prefix + "saved_prompt", request.SavedPrompt, "excludes prompt; give one of the two");
        }

        var bytes = TextRules.Utf8Length(request.Prompt) + TextRules.Utf8Length(request.BasePrompt);
        if (bytes > LongestPrompt)
        {
            var path = TextRules.Utf8Length(request.Prompt) >= TextRules.Utf8Length(request.BasePrompt) ? "prompt" : "base_prompt";
            faults.Add(prefix + path, $"{bytes} bytes", "prompt and base_prompt together may have at most 120 KiB (122880 bytes): they travel as arguments; put long texts into a file of the repository");
        }
    }

    private static void CheckMetadata(RunRequest request, FaultList faults, string prefix)
    {
        if (request.Metadata is not { } metadata)
        {
            return;
        }

        if (metadata.Count > 32)
        {
            faults.Add(prefix + "metadata", $"{metadata.Count} entries", "at most 32 entries are allowed");
        }

        foreach (var (name, value) in metadata)
        {
            faults.CheckLine($"{prefix}metadata.{name}", value, 256, mayBeEmpty: true, hidden: SecretNames.LooksSecret(name));
            if (name.Length == 0 || TextRules.IsLonger(name, 256) || TextRules.FindControl(name) is not null)
            {
                faults.Add(prefix + "metadata", name, "an entry's name has 1 to 256 characters and no control characters");
            }
        }
    }

    private static void CheckShare(RunRequest request, FaultList faults, string prefix)
    {
        if (request.Share is { Count: > 64 } many)
        {
            faults.Add(prefix + "share", $"{many.Count} entries", "at most 64 entries are allowed");
        }

        for (var i = 0; i < request.Share?.Count; i++)
        {
            if (ShareTarget.Parse(request.Share[i], out var fault) is null)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture, $"{prefix}share[{i}]"), request.Share[i], fault!);
            }
        }
    }

    private static void CheckTimes(RunRequest request, FaultList faults, string prefix)
    {
        CheckDuration("timeout", request.Timeout, "2h is the default");
        CheckDuration("silence_timeout", request.SilenceTimeout, "leave it out to turn it off");
        CheckDuration("setup_timeout", request.SetupTimeout, "15m is the default");
        if (request.IdleOnComplete < TimeSpan.Zero)
        {
            faults.Add(prefix + "idle_on_complete", $"-{DurationText.Format(-request.IdleOnComplete.Value)}", $"must be {DurationText.Rule}; 0s leaves at once");
        }

        if (request is { NotBefore: { } notBefore, ExpiresAt: { } expires } && expires <= notBefore)
        {
            faults.Add(prefix + "expires_at", Json.TimeText.Format(expires), $"must be after not_before ({Json.TimeText.Format(notBefore)}): the run could never start");
        }

        void CheckDuration(string name, TimeSpan? duration, string way)
        {
            if (duration <= TimeSpan.Zero)
            {
                var text = duration == TimeSpan.Zero ? "0s" : $"-{DurationText.Format(-duration.Value)}";
                faults.Add(prefix + name, text, $"must be {DurationText.Rule}, and more than zero; {way}");
            }
        }
    }

    private static void CheckQueueing(RunRequest request, FaultList faults, string prefix)
    {
        if (request.Priority is < -5 or > 5)
        {
            faults.Add(prefix + "priority", request.Priority.Value.ToString(CultureInfo.InvariantCulture), "must be a whole number from -5 to 5; one step weighs ten minutes of waiting");
        }

        faults.CheckLine(prefix + "concurrency_key", request.ConcurrencyKey, 256);
        if (request.OnConflict is { } rule && !Enum.IsDefined(rule))
        {
            faults.Add(prefix + "on_conflict", null, "must be queue, skip or cancel_previous");
        }

        if (request.MaxAttempts is < 1 or > 10)
        {
            faults.Add(prefix + "max_attempts", request.MaxAttempts.Value.ToString(CultureInfo.InvariantCulture), "must be a whole number from 1 to 10; agent runs are not idempotent, 1 is the default");
        }
    }

    private static void CheckArtifacts(RunRequest request, FaultList faults, string prefix)
    {
        if (request.Artifacts is { Count: > 64 } many)
        {
            faults.Add(prefix + "artifacts", $"{many.Count} entries", "at most 64 globs are allowed");
        }

        for (var i = 0; i < request.Artifacts?.Count; i++)
        {
            var glob = request.Artifacts[i];
            var path = string.Create(CultureInfo.InvariantCulture, $"{prefix}artifacts[{i}]");
            var before = faults.Count;
            faults.CheckLine(path, glob, 512);
            if (faults.Count == before && glob.StartsWith('/'))
            {
                faults.Add(path, glob, "must be relative to the workspace; remove the '/' at the beginning");
            }
            else if (faults.Count == before && Segments().Split(glob).Contains(".."))
            {
                faults.Add(path, glob, "must stay inside the workspace; '..' is not allowed");
            }
        }
    }

    // A backslash is an ordinary character on Linux, but matchers take it for a separator.
    [GeneratedRegex(@"[/\\]")]
    private static partial Regex Segments();
}
