using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Http.Runs;

/// <summary>A run as the API shows it: the record as it stands, and the vendor's RunItem fields (facts D4.1) in the same object.</summary>
internal static class RunItemJson
{
    private static readonly byte[][] RecordOnly = ["outbox"u8.ToArray(), "event"u8.ToArray(), "schema"u8.ToArray()];

    /// <param name="artifacts">The files kept of the last attempt; null: not looked up, as in lists.</param>
    public static void Write(Utf8JsonWriter json, RunRecord run, IReadOnlyList<ArtifactEntry>? artifacts, bool whole)
    {
        json.WriteStartObject();
        foreach (var property in JsonSerializer.SerializeToElement(run, RunJson.Wire.RunRecord).EnumerateObject())
        {
            if (whole || !RecordOnly.Any(name => property.NameEquals(name)))
            {
                property.WriteTo(json);
            }
        }

        WriteItem(json, run, artifacts);
        json.WriteEndObject();
    }

    private static void WriteItem(Utf8JsonWriter json, RunRecord run, IReadOnlyList<ArtifactEntry>? artifacts)
    {
        json.WriteString("task_id", run.RunId.Value);
        json.WriteString("title", TitleOf(run));
        json.WriteString("prompt", run.Request.Prompt ?? "");
        json.WriteString("execution_location", "REMOTE");
        json.WriteString("source", SourceOf(run.Trigger.Kind));
        json.WriteBoolean("is_sandbox_running", run.State == RunState.InProgress);
        if (run.Message is not null || run.State.IsTerminal())
        {
            json.WriteStartObject("status_message");
            json.WriteString("message", run.Message ?? run.Reason?.Text() ?? "");
            if (run.Reason is { } reason && ErrorCodeOf(reason) is { } code)
            {
                json.WriteString("error_code", code);
                json.WriteBoolean("retryable", run.State == RunState.Error);
            }

            json.WriteEndObject();
        }

        if (run.Trigger is { Kind: TriggerKind.Schedule, Name: { } schedule })
        {
            json.WriteStartObject("schedule");
            json.WriteString("schedule_id", schedule);
            json.WriteString("schedule_name", schedule);

            // The record does not say it, and the vendor's clients need the member (facts D4.1).
            json.WriteString("cron_schedule", "");
            json.WriteEndObject();
        }

        if (run.CurrentAttempt is { } attempt)
        {
            if (attempt.SessionUrl is { } session)
            {
                json.WriteString("session_link", session);
            }
        }

        if (run.AskedBy is { } by)
        {
            json.WriteStartObject("creator");
            json.WriteString("type", run.Trigger.Kind == TriggerKind.Cli ? "user" : "service_account");
            json.WriteString("uid", by);
            json.WriteString("display_name", by);
            json.WriteEndObject();
        }

        if (run.Request.Conversation is { } conversation)
        {
            json.WriteString("conversation_id", conversation);
        }

        if (run.Request.Skill is { } skill)
        {
            json.WriteStartObject("agent_skill");
            json.WriteString("name", skill);
            json.WriteEndObject();
        }

        AgentConfigJson.Write(json, run.Request, run.WorkerId);
        WriteArtifacts(json, run, artifacts);
        json.WriteStartObject("scope");
        json.WriteString("type", "Team");
        json.WriteEndObject();
    }

    private static void WriteArtifacts(Utf8JsonWriter json, RunRecord run, IReadOnlyList<ArtifactEntry>? artifacts)
    {
        json.WriteStartArray("artifacts");
        var created = TimeText.Format(run.FinishedAt ?? run.UpdatedAt);
        foreach (var pullRequest in run.CurrentAttempt?.PullRequests ?? [])
        {
            json.WriteStartObject();
            json.WriteString("artifact_type", "PULL_REQUEST");
            json.WriteString("created_at", created);
            json.WriteStartObject("data");
            json.WriteString("url", pullRequest.Url);
            json.WriteString("branch", pullRequest.Branch ?? "");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        foreach (var file in artifacts?.Where(file => file.LeftOut is null) ?? [])
        {
            json.WriteStartObject();
            json.WriteString("artifact_type", "FILE");
            json.WriteString("created_at", created);
            json.WriteStartObject("data");
            WriteFile(json, run, file);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>The members of a file's data (facts D5.4).</summary>
    public static void WriteFile(Utf8JsonWriter json, RunRecord run, ArtifactEntry file)
    {
        json.WriteString("artifact_uid", UidOf(run.RunId, run.Attempt, file.Path));
        json.WriteString("filepath", file.Path);
        json.WriteString("filename", file.Path[(file.Path.LastIndexOf('/') + 1)..]);
        if (file.ContentType is { } type)
        {
            json.WriteString("mime_type", type);
        }

        json.WriteNumber("size_bytes", file.Bytes);
    }

    /// <summary>Holds all that is needed to find the file again: run, attempt and path.</summary>
    public static string UidOf(RunId runId, int attempt, string path) =>
        string.Create(CultureInfo.InvariantCulture, $"{runId}.{attempt}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(path))}");

    public static bool TryParseUid(string uid, out RunId runId, out int attempt, out string path)
    {
        (runId, attempt, path) = (default, 0, "");
        var parts = uid.Split('.');
        if (parts.Length != 3 || !RunId.TryParse(parts[0], out runId) || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out attempt))
        {
            return false;
        }

        try
        {
            path = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(parts[2]));
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    public static string TitleOf(RunRecord run)
    {
        var text = run.Title ?? run.Request.Prompt ?? run.Request.Skill ?? run.Request.SavedPrompt ?? "";
        var line = text.AsSpan().Trim();
        line = line.IndexOfAny('\r', '\n') is >= 0 and var end ? line[..end] : line;
        return line.Length <= 80 ? line.ToString() : string.Concat(line[..(char.IsHighSurrogate(line[78]) ? 78 : 79)], "…");
    }

    /// <summary>The vendor's word for what asked (facts D4.12); <c>trigger</c> says it exactly.</summary>
    public static string SourceOf(TriggerKind kind) => kind switch
    {
        TriggerKind.Schedule => "SCHEDULED_AGENT",
        TriggerKind.Cli => "CLI",
        TriggerKind.Exec => "LOCAL",
        _ => "API",
    };

    /// <summary>The vendor's error code (facts D2) where one fits; <c>reason</c> says it exactly.</summary>
    private static string? ErrorCodeOf(RunReason reason) => reason switch
    {
        RunReason.SetupCommand or RunReason.SetupTimeout or RunReason.EnvironmentFile => "environment_setup_failed",
        RunReason.InvalidRequest => "invalid_request",
        RunReason.PolicyRefused => "not_authorized",
        RunReason.BudgetExceeded => "budget_exceeded",
        RunReason.AgentNotFound or RunReason.DiskLow or RunReason.GracefulShutdown or RunReason.HostLost => "resource_unavailable",
        RunReason.WorkspaceSetup or RunReason.Internal => "internal_error",
        _ => null,
    };
}
