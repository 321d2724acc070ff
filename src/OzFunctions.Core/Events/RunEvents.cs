using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Events;

/// <summary>Renders CloudEvents 1.0 about runs (design section 10). URLs are never signed.</summary>
/// <param name="publicUrl">Where the API is reached from outside; null: blobs' plain addresses.</param>
public sealed class RunEvents(IBlobStore blobs, Uri? publicUrl)
{
    public const string QueuedType = "io.ozfunctions.run.queued.v1";
    public const string StartedType = "io.ozfunctions.run.started.v1";
    public const string CompletedType = "io.ozfunctions.run.completed.v1";

    /// <summary>Largest event; above it the artifacts give way to <c>manifest_url</c>, and then the texts go.</summary>
    private const int MostBytes = 48 * 1024;
    private const int MostArtifacts = 50;

    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public RunEvent Queued(RunRecord record) => RenderWithoutArtifacts(record, RunEventKind.Queued, record.CreatedAt);

    public RunEvent Started(RunRecord record) => RenderWithoutArtifacts(record, RunEventKind.Started, record.CurrentAttempt?.StartedAt ?? record.UpdatedAt);

    /// <summary>The event of a record that is being made terminal.</summary>
    public RunEvent Completed(RunRecord record, IReadOnlyList<ArtifactEntry>? artifacts)
    {
        var time = record.FinishedAt ?? record.UpdatedAt;
        var rendered = Render(record, RunEventKind.Completed, time, artifacts, withArtifacts: true, withTexts: true);
        return rendered.Json.Length > MostBytes ? RenderWithoutArtifacts(record, RunEventKind.Completed, time, artifacts) : rendered;
    }

    /// <summary>The event stored in a terminal record; null where there is none.</summary>
    public static RunEvent? FindStored(RunRecord record) =>
        record.Event is { ValueKind: JsonValueKind.Object } stored
        && stored.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.String
        && stored.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String
            ? new(id.GetString()!, type.GetString()!, record.RunId, JsonSerializer.SerializeToUtf8Bytes(stored, RunJson.Wire.JsonElement)) { Traceparent = record.Traceparent }
            : null;

    /// <summary>With its texts where it is small enough.</summary>
    private RunEvent RenderWithoutArtifacts(RunRecord record, RunEventKind kind, DateTimeOffset time, IReadOnlyList<ArtifactEntry>? artifacts = null)
    {
        var rendered = Render(record, kind, time, artifacts, withArtifacts: false, withTexts: true);
        return rendered.Json.Length > MostBytes ? Render(record, kind, time, artifacts, withArtifacts: false, withTexts: false) : rendered;
    }

    private RunEvent Render(
        RunRecord record, RunEventKind kind, DateTimeOffset time, IReadOnlyList<ArtifactEntry>? artifacts, bool withArtifacts, bool withTexts)
    {
        var id = $"{record.RunId}:{record.Attempt}:{kind.Text()}";
        var type = kind switch
        {
            RunEventKind.Queued => QueuedType,
            RunEventKind.Started => StartedType,
            _ => CompletedType,
        };
        var buffer = new ArrayBufferWriter<byte>(2048);
        using (var json = new Utf8JsonWriter(buffer, WriterOptions))
        {
            json.WriteStartObject();
            json.WriteString("specversion", "1.0");
            json.WriteString("id", id);
            json.WriteString("source", "/ozfunctions/workers/" + Uri.EscapeDataString(record.WorkerId));
            json.WriteString("type", type);
            json.WriteString("subject", "runs/" + record.RunId);
            json.WriteString("time", TimeText.Format(time));
            WriteOptional(json, "traceparent", record.Traceparent);
            json.WriteString("datacontenttype", "application/json");
            json.WriteStartObject("data");
            WriteData(json, record, artifacts, withArtifacts, withTexts);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return new(id, type, record.RunId, buffer.WrittenMemory.ToArray()) { Traceparent = record.Traceparent };
    }

    private void WriteData(Utf8JsonWriter json, RunRecord record, IReadOnlyList<ArtifactEntry>? artifacts, bool withArtifacts, bool withTexts)
    {
        var attempt = record.CurrentAttempt;
        json.WriteString("run_id", record.RunId.Value);
        json.WriteNumber("attempt", record.Attempt);
        json.WriteString("state", record.State.Text());
        WriteOptional(json, "reason", record.Reason?.Text());
        WriteOptional(json, "message", withTexts ? record.Message : null);
        if (attempt?.ExitCode is { } exitCode)
        {
            json.WriteNumber("exit_code", exitCode);
        }

        WriteOptional(json, "signal", attempt?.Signal);
        WriteOptional(json, "title", record.Title);
        json.WriteString("worker_id", record.WorkerId);
        json.WritePropertyName("trigger");
        JsonSerializer.Serialize(json, record.Trigger, RunJson.Wire.RunTrigger);
        if (withTexts && record.Request.Metadata is { } metadata)
        {
            json.WriteStartObject("metadata");
            foreach (var (name, value) in metadata)
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
        }

        WriteOptional(json, "oz_run_id", attempt?.OzRunId);
        WriteOptional(json, "oz_run_url", attempt?.OzRunUrl);
        WriteOptional(json, "session_url", attempt?.SessionUrl);
        if (withTexts && attempt?.PullRequests is { Count: > 0 } pullRequests)
        {
            json.WritePropertyName("pull_requests");
            JsonSerializer.Serialize(json, pullRequests, RunJson.Wire.IReadOnlyListPullRequest);
        }

        json.WriteString("queued_at", TimeText.Format(record.CreatedAt));
        WriteOptional(json, "started_at", record.StartedAt);
        WriteOptional(json, "finished_at", record.FinishedAt);
        if (attempt?.Durations is { } durations)
        {
            json.WritePropertyName("durations");
            JsonSerializer.Serialize(json, durations, RunJson.Wire.PhaseDurations);
        }

        if (attempt?.Log is { } log)
        {
            json.WriteStartObject("log");
            json.WriteString("url", LogUrl(record).AbsoluteUri);
            json.WriteNumber("lines", log.Lines);
            json.WriteNumber("bytes", log.Bytes);
            WriteOptional(json, "sha256", log.Sha256);
            json.WriteNumber("cut_bytes", log.CutBytes);
            json.WriteEndObject();
        }

        WriteArtifacts(json, record, artifacts, withArtifacts);
        WriteOptional(json, "host", attempt?.Host);
        WriteOptional(json, "agent_version", attempt?.AgentVersion);
    }

    private void WriteArtifacts(Utf8JsonWriter json, RunRecord record, IReadOnlyList<ArtifactEntry>? artifacts, bool withArtifacts)
    {
        if (record.CurrentAttempt?.Artifacts is not { Count: > 0 } summary)
        {
            return;
        }

        if (!withArtifacts || artifacts is null || summary.Count > MostArtifacts)
        {
            json.WriteString("manifest_url", ArtifactUrl(record, null).AbsoluteUri);
        }

        if (!withArtifacts || artifacts is null)
        {
            return;
        }

        json.WriteStartArray("artifacts");
        foreach (var artifact in artifacts.Where(artifact => artifact.LeftOut is null).Take(MostArtifacts))
        {
            json.WriteStartObject();
            json.WriteString("path", artifact.Path);
            json.WriteString("url", ArtifactUrl(record, artifact.Path).AbsoluteUri);
            json.WriteNumber("bytes", artifact.Bytes);
            WriteOptional(json, "sha256", artifact.Sha256);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private Uri LogUrl(RunRecord record) =>
        publicUrl is null ? blobs.GetAddress(RunBlobs.Log(record.RunId, record.Attempt)) : Api(record, "log");

    private Uri ArtifactUrl(RunRecord record, string? path) => (publicUrl, path) switch
    {
        (null, null) => blobs.GetAddress(RunBlobs.Manifest(record.RunId, record.Attempt)),
        (null, _) => blobs.GetAddress(RunBlobs.Artifact(record.RunId, record.Attempt, path)),
        (_, null) => Api(record, "artifacts"),
        _ => Api(record, "artifacts/" + string.Join('/', path.Split('/').Select(Uri.EscapeDataString))),
    };

    private Uri Api(RunRecord record, string tail) => new($"{publicUrl!.ToString().TrimEnd('/')}/api/v1/agent/runs/{record.RunId}/{tail}");

    private static void WriteOptional(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, DateTimeOffset? value) =>
        WriteOptional(json, name, value is { } time ? TimeText.Format(time) : null);
}
