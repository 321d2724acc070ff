using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Runs;

namespace OzFunctions.Http.Tests;

/// <summary>Runs as a host would have left them, put into the rig's store.</summary>
internal static class StoredRuns
{
    public static async Task<string> SubmitAsync(this DoorRig rig, string json = """{"prompt":"Say hello"}""") =>
        (await rig.PostAsync("/api/v1/agent/runs", json)).Is(202).Json.GetProperty("run_id").GetString()!;

    public static async Task<RunRecord> UpdateAsync(this DoorRig rig, string runId, Func<RunRecord, RunRecord> change)
    {
        var update = await rig.Core.Records.UpdateAsync(RunId.Parse(runId), null, run => RecordDecision.Write(change(run)), TestContext.Current.CancellationToken);
        return update.Run!.Record;
    }

    /// <summary>INPROGRESS, in its n-th attempt.</summary>
    public static Task<RunRecord> StartAsync(this DoorRig rig, string runId, int attempt = 1) => rig.UpdateAsync(runId, run => run with
    {
        State = RunState.InProgress,
        Attempt = attempt,
        Starts = attempt,
        StartedAt = rig.Time.GetUtcNow(),
        Owner = new("host", attempt, "0123456789abcdef"),
        Attempts = [.. run.Attempts, new() { Attempt = attempt, HostId = "host", Host = "m1" }],
    });

    public static Task<RunRecord> FinishAsync(this DoorRig rig, string runId, RunReason reason = RunReason.Completed) => rig.UpdateAsync(runId, run => run with
    {
        State = reason.State(),
        Reason = reason,
        Message = reason == RunReason.Completed ? null : "exit code 3",
        FinishedAt = rig.Time.GetUtcNow(),
    });

    /// <summary>Appends whole stored lines to the log of an attempt.</summary>
    public static async Task LogAsync(this DoorRig rig, string runId, int attempt, params string[] lines)
    {
        var name = RunBlobs.Log(RunId.Parse(runId), attempt);
        var offset = (await rig.Blobs.FindEntryAsync(name, TestContext.Current.CancellationToken))?.Length ?? 0;
        Assert.True(await rig.Blobs.TryAppendAsync(name, offset, Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))), TestContext.Current.CancellationToken));
    }

    public static string Line(long n, string text, string source = "out") => $$"""{"n":{{n}},"t":"2026-01-01T00:00:00.000Z","s":"{{source}}","m":{{JsonSerializer.Serialize(text)}}}""";

    public static async Task KeepAsync(this DoorRig rig, string runId, int attempt, params (string Path, string Content, string? Type)[] files)
    {
        var entries = new List<ArtifactEntry>();
        foreach (var (path, content, type) in files)
        {
            var bytes = Encoding.UTF8.GetBytes(content);
            using var stream = new MemoryStream(bytes);
            await rig.Blobs.UploadAsync(RunBlobs.Artifact(RunId.Parse(runId), attempt, path), stream, type ?? "application/octet-stream", null, TestContext.Current.CancellationToken);
            entries.Add(new() { Path = path, Bytes = bytes.Length, Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)), ContentType = type });
        }

        entries.Add(new() { Path = "huge.bin", Bytes = 1L << 40, LeftOut = "larger than 256 MiB" });
        await rig.Blobs.PutAsync(
            RunBlobs.Manifest(RunId.Parse(runId), attempt), JsonSerializer.SerializeToUtf8Bytes(new ArtifactManifest { Artifacts = entries }, RunJson.Wire.ArtifactManifest), TestContext.Current.CancellationToken);
    }
}
