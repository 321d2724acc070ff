using System.Diagnostics;
using System.Globalization;

namespace OzFunctions.Bench;

/// <summary>Azurite from <c>tests/npm</c>, in memory, with its access log: every call that reaches it is a line.</summary>
internal sealed class Azurite : IDisposable
{
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    private const string Listening = "is successfully listening at ";

    private readonly Process _process;
    private readonly List<string> _calls = [];

    private Azurite(Process process, string blobs, string queues)
    {
        _process = process;
        Connection = $"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={Key};BlobEndpoint={blobs}/devstoreaccount1;QueueEndpoint={queues}/devstoreaccount1;";
        _ = Task.Run(ReadCallsAsync);
    }

    public string Connection { get; }

    /// <summary><c>METHOD /path?query</c> of each call so far.</summary>
    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_calls)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>Null: it is not installed (tests/npm/install.sh).</summary>
    public static Azurite? Start(bool log)
    {
        if (FindScript() is not { } script)
        {
            return null;
        }

        string[] arguments = [script, "--blobPort", "0", "--queuePort", "0", "--tablePort", "0", "--inMemoryPersistence", "--disableTelemetry", .. log ? Array.Empty<string>() : ["--silent"]];
        var process = BenchPlace.Start("node", arguments, redirect: true);
        return new(process, Endpoint(process, "Azurite Blob service"), Endpoint(process, "Azurite Queue service"));
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static string Endpoint(Process process, string service)
    {
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line.StartsWith(service, StringComparison.Ordinal) && line.IndexOf(Listening, StringComparison.Ordinal) is > 0 and var at)
            {
                return line[(at + Listening.Length)..].TrimEnd('/');
            }
        }

        throw new InvalidOperationException("Azurite ended before it was ready.");
    }

    private async Task ReadCallsAsync()
    {
        // 127.0.0.1 - - [25/Nov/2026:13:27:56 +0000] "GET /devstoreaccount1/…?… HTTP/1.1" 404 -
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Split('"') is [_, var request, ..] && request.Split(' ') is [var method, var path, ..])
            {
                lock (_calls)
                {
                    _calls.Add(string.Create(CultureInfo.InvariantCulture, $"{method} {path.Replace("/devstoreaccount1", "", StringComparison.Ordinal)}"));
                }
            }
        }
    }

    private static string? FindScript()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var script = Path.Join(at.FullName, "tests/npm/node_modules/azurite/dist/src/azurite.js");
            if (File.Exists(script))
            {
                return script;
            }
        }

        return null;
    }
}
