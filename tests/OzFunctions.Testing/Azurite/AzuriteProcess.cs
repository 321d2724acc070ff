using System.Collections.Concurrent;
using System.Net.Sockets;

namespace OzFunctions.Testing.Azurite;

/// <summary>
/// Azurite from <c>tests/npm</c>, in memory, on free ports of 127.0.0.1; it ends with the object. Without Node.js the test is skipped by name.
/// </summary>
public sealed class AzuriteProcess : IAsyncDisposable
{
    public const string Account = "devstoreaccount1";

    /// <summary>The emulator's own key, printed in its documentation: it guards nothing.</summary>
    public const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// <summary>Accounts beside the first, for tests that share an emulator and want to be alone in theirs.</summary>
    private const int OtherAccounts = 1_200;

    private const string Listening = "is successfully listening at ";

    private static readonly ConcurrentBag<Socket> Held = [];

    private readonly TestProcess _process;
    private int _accounts;

    private AzuriteProcess(TestProcess process, Uri blobs, Uri queues) => (_process, Blobs, Queues) = (process, blobs, queues);

    /// <summary>Endpoint of blobs, with the account, without a slash at its end.</summary>
    public Uri Blobs { get; }

    /// <summary>Endpoint of queues, with the account, without a slash at its end.</summary>
    public Uri Queues { get; }

    /// <summary>Of the first account.</summary>
    public string ConnectionString => ConnectionStringOf(Blobs, Queues);

    public int ProcessId => _process.Id;

    /// <summary>Of an account that nobody else has been given.</summary>
    public string TakeAccount()
    {
        var number = Interlocked.Increment(ref _accounts);
        Assert.True(number <= OtherAccounts, $"There are {OtherAccounts} accounts.");
        return ConnectionStringOf(Blobs, Queues).Replace(Account, $"ozf{number}", StringComparison.Ordinal);
    }

    public static string ConnectionStringOf(Uri blobs, Uri queues) =>
        $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={Key};BlobEndpoint={blobs};QueueEndpoint={queues};";

    public static async Task<AzuriteProcess> StartAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        await TestPackages.RequireAsync(cancellationToken);
        var process = TestProcess.Start(
            "node",
            [
                Path.Join(TestPackages.Directory, "node_modules/azurite/dist/src/azurite.js"),
                .. arguments.Contains("--blobPort") ? Array.Empty<string>() : ["--blobPort", "0", "--queuePort", "0"],
                "--tablePort", "0", "--inMemoryPersistence", "--silent", "--disableTelemetry", .. arguments,
            ],
            new Dictionary<string, string?> { ["AZURITE_ACCOUNTS"] = string.Join(';', Enumerable.Range(1, OtherAccounts).Select(number => $"ozf{number}:{Key}").Prepend($"{Account}:{Key}")) });
        try
        {
            var blobs = await EndpointAsync(process, "Azurite Blob service", cancellationToken);
            var queues = await EndpointAsync(process, "Azurite Queue service", cancellationToken);
            return new(process, blobs, queues);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops answering without closing anything, as a store does that hangs (SIGSTOP).</summary>
    public void Freeze() => _process.Signal(19);

    /// <summary>Goes on after <see cref="Freeze"/> (SIGCONT).</summary>
    public void Thaw() => _process.Signal(18);

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    /// <summary>A port that nobody listens at, for an endpoint that cannot be reached: held by this process to its end, as the next one to ask for any port might be given it.</summary>
    public static int FreePort()
    {
        var holder = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        holder.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        Held.Add(holder);
        return ((System.Net.IPEndPoint)holder.LocalEndPoint!).Port;
    }

    private static async Task<Uri> EndpointAsync(TestProcess process, string service, CancellationToken cancellationToken)
    {
        var line = await process.WaitForLineAsync(text => text.StartsWith(service, StringComparison.Ordinal) && text.Contains(Listening, StringComparison.Ordinal), cancellationToken);
        return new($"{line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..].TrimEnd('/')}/{Account}");
    }
}
