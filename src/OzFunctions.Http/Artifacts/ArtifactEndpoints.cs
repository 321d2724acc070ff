using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OzFunctions.Artifacts;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Runs;
using OzFunctions.Json;
using OzFunctions.Keys;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Http.Artifacts;

/// <summary>What was kept of a run. Agents choose names and contents: everything is sent as an attachment that no browser opens or guesses at.</summary>
internal sealed class ArtifactEndpoints(OzCore core, FrontDoorOptions options) : IEndpoints
{
    private const int Piece = 128 * 1024;

    public IEnumerable<Route> Routes =>
    [
        new("GET", RunEndpoints.Path + "/{run_id}/artifacts", Access.Key(KeyScopes.Read), ListAsync),
        new("GET", RunEndpoints.Path + "/{run_id}/artifacts/{*path}", Access.Key(KeyScopes.Read), DownloadAsync),
        new("GET", "/api/v1/agent/artifacts/{artifact_uid}", Access.Key(KeyScopes.Read), GetAsync),
    ];

    private async Task ListAsync(ApiCall call)
    {
        var run = await RunEndpoints.GetRunAsync(core, call);
        var attempt = AttemptOf(call, run);
        var manifest = await ArtifactManifests.ReadAsync(core.Ports.Blobs, run.RunId, attempt, call.Cancellation);
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("run_id", run.RunId.Value);
            json.WriteNumber("attempt", attempt);
            json.WriteStartArray("artifacts");
            foreach (var entry in manifest.Artifacts)
            {
                json.WriteStartObject();
                foreach (var property in JsonSerializer.SerializeToElement(entry, RunJson.Wire.ArtifactEntry).EnumerateObject())
                {
                    property.WriteTo(json);
                }

                if (entry.LeftOut is null)
                {
                    json.WriteString("artifact_uid", RunItemJson.UidOf(run.RunId, attempt, entry.Path));
                    json.WriteString("url", UrlOf(call, run.RunId, attempt, entry.Path));
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private async Task GetAsync(ApiCall call)
    {
        var uid = call.Value("artifact_uid");
        if (!RunItemJson.TryParseUid(uid, out var runId, out var attempt, out var path) || (await core.Records.FindAsync(runId, call.Cancellation))?.Record is not { } run
            || await FindAsync(runId, attempt, path, call.Cancellation) is not { } entry)
        {
            throw ApiException.NotFound($"There is no artifact '{FaultValue.Shorten(uid)}'.");
        }

        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("artifact_uid", uid);
            json.WriteString("artifact_type", "FILE");
            json.WriteString("created_at", TimeText.Format(run.FinishedAt ?? run.UpdatedAt));
            json.WriteStartObject("data");
            RunItemJson.WriteFile(json, run with { Attempt = attempt }, entry);
            json.WriteString("content_type", entry.ContentType ?? "application/octet-stream");
            json.WriteString("sha256", entry.Sha256);
            json.WriteString("download_url", UrlOf(call, runId, attempt, path));
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    private async Task DownloadAsync(ApiCall call)
    {
        var run = await RunEndpoints.GetRunAsync(core, call);
        var (attempt, path) = (AttemptOf(call, run), call.Value("path"));
        var entry = await FindAsync(run.RunId, attempt, path, call.Cancellation)
            ?? throw ApiException.NotFound($"Run {run.RunId} has no artifact '{FaultValue.Shorten(path)}' in attempt {attempt}.");
        var headers = call.Response.Headers;
        headers.ContentDisposition = new ContentDispositionHeaderValue("attachment") { FileNameStar = path[(path.LastIndexOf('/') + 1)..] }.ToString();
        headers.ContentSecurityPolicy = "sandbox; default-src 'none'";
        headers.AcceptRanges = "bytes";
        headers.ETag = $"\"{entry.Sha256}\"";
        call.Response.ContentType = entry.ContentType ?? "application/octet-stream";
        var (offset, count, partial) = RangeOf(call, entry);
        call.Response.StatusCode = partial ? (int)HttpStatusCode.PartialContent : 200;
        call.Response.ContentLength = count;
        if (partial)
        {
            headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes {offset}-{offset + count - 1}/{entry.Bytes}");
        }

        if (HttpMethods.IsHead(call.Request.Method))
        {
            return;
        }

        await using var content = await core.Ports.Blobs.OpenReadAsync(RunBlobs.Artifact(run.RunId, attempt, path), offset, count, call.Cancellation)
            ?? throw ApiException.NotFound($"The artifact '{FaultValue.Shorten(path)}' is no longer in the store.");
        await content.CopyToAsync(call.Response.Body, Piece, call.Cancellation);
    }

    private static int AttemptOf(ApiCall call, RunRecord run)
    {
        if (call.Query("attempt") is not { } text)
        {
            return run.Attempt;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt) && attempt >= 1 && attempt <= run.Attempt
            ? attempt
            : throw ApiException.Invalid("attempt", text, $"the run has had {run.Attempt}");
    }

    /// <summary>Only what the manifest names is given out, so that a path leads nowhere else.</summary>
    private async Task<ArtifactEntry?> FindAsync(RunId runId, int attempt, string path, CancellationToken cancellationToken) =>
        (await ArtifactManifests.ReadAsync(core.Ports.Blobs, runId, attempt, cancellationToken)).Artifacts.FirstOrDefault(entry => entry.LeftOut is null && entry.Path == path);

    private string UrlOf(ApiCall call, RunId runId, int attempt, string path) => string.Create(
        CultureInfo.InvariantCulture,
        $"{call.RootOf(options.PublicUrl)}{RunEndpoints.Path}/{runId}/artifacts/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}?attempt={attempt}");

    /// <summary>One range, as downloads are resumed with; several, or a condition that does not hold, answer the whole (RFC 9110, section 14.2).</summary>
    private static (long Offset, long Count, bool Partial) RangeOf(ApiCall call, ArtifactEntry entry)
    {
        var whole = (0L, entry.Bytes, false);
        if (call.Request.Headers.Range is not [{ } text] || !RangeHeaderValue.TryParse(text, out var header) || header.Unit != "bytes" || header.Ranges.Count != 1
            || (call.Header("If-Range") is { } condition && condition != $"\"{entry.Sha256}\""))
        {
            return whole;
        }

        var range = header.Ranges.First();
        var from = range.From ?? Math.Max(0, entry.Bytes - range.To!.Value);
        var to = range.From is null ? entry.Bytes - 1 : Math.Min(range.To ?? long.MaxValue, entry.Bytes - 1);
        if (from > to)
        {
            call.Response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{entry.Bytes}");
            throw new ApiException(ApiError.RangeNotSatisfiable, $"The artifact has {entry.Bytes} bytes.");
        }

        return (from, to - from + 1, true);
    }
}
