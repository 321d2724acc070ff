using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace OzFunctions.Bench;

/// <summary>From an agent's line to a client of server-sent events at <c>ozf up</c>.</summary>
internal static class SseDelay
{
    private const string Data = "data: ";

    public static async Task MeasureAsync(BenchPlace place, Report report, int lines)
    {
        var data = place.NewDirectory("sse");
        var config = Path.Join(data, "ozf.yaml");
        await File.WriteAllTextAsync(config, $"backend: {{ direct: {{ oz_path: {LineStamps.Agent(place, lines)}, workspace_root: {Path.Join(data, "workspaces")} }} }}\n");
        await using var door = await BenchDoor.StartAsync(data, config);
        using var http = new HttpClient { BaseAddress = door.Address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", door.Key) } };
        using var created = await http.PostAsync("/api/v1/agent/runs", new StringContent("""{"prompt":"p"}""", Encoding.UTF8, "application/json"));
        using var answer = JsonDocument.Parse(await created.Content.ReadAsStringAsync());
        await using var stream = await http.GetStreamAsync($"/api/v1/agent/runs/{answer.RootElement.GetProperty("run_id").GetString()}/log?format=sse");
        using var reader = new StreamReader(stream);
        var delays = new List<double>();
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(Data, StringComparison.Ordinal) && LineStamps.FindDelay(line[Data.Length..], TimeProvider.System.GetUtcNow()) is { } delay)
            {
                delays.Add(delay);
            }
        }

        if (delays.Count != lines)
        {
            throw new InvalidOperationException($"The agent wrote {lines} lines, {delays.Count} came.");
        }

        report.Add("line→SSE client p50", delays.Percentile(50), "ms");
        report.Add("line→SSE client p99", delays.Percentile(99), "ms", null, null, "≤ 300", delays.Percentile(99) <= 300);
    }
}
