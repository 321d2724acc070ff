using System.Diagnostics;
using System.Text.Json;

namespace OzFunctions.Bench;

/// <summary>A real <c>ozf up</c> on a port of its own; killed at the end.</summary>
internal sealed class BenchDoor : IAsyncDisposable
{
    private readonly Process _process;

    private BenchDoor(Process process, Uri address, string key) => (_process, Address, Key) = (process, address, key);

    public Uri Address { get; }

    public string Key { get; }

    public static async Task<BenchDoor> StartAsync(string data, string config)
    {
        var up = BenchPlace.Start(BenchPlace.Program, ["up", "--port", "0", "--data", data, "--config-file", config, "--output", "json", "--log-level", "error"], redirect: true);
        using var json = JsonDocument.Parse(await up.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("ozf up said nothing: " + await up.StandardError.ReadToEndAsync()));
        return new(up, new(json.RootElement.GetProperty("url").GetString()!), (await File.ReadAllTextAsync(json.RootElement.GetProperty("key_file").GetString()!)).Trim());
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
