using System.Globalization;
using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Hosts;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Files.Processes;

/// <summary>The other process of a test: opens the same data directory and does what it is told. It ends when its standard input does.</summary>
internal static class Child
{
    public const string Verb = "child";

    public static TestProcess Start(string data, params string[] arguments) =>
        TestProcess.StartAssembly(typeof(Child).Assembly.Location, [Verb, data, .. arguments]);

    public static async Task<int> RunAsync(string[] args)
    {
        using var store = FilesStore.Open(new() { Directory = args[0], Durability = Durability.Process }, TimeProvider.System);
        var blobs = new FilesBlobStore(store);
        Say("ready");
        switch (args[1..])
        {
            case ["create", var writer, var rounds]:
                WaitForLine();
                for (var round = 0; round < Number(rounds); round++)
                {
                    if (await blobs.TryCreateAsync($"keys/{round}", Bytes(writer), null, default) is not null)
                    {
                        Say($"won {round}");
                    }
                }

                Say("done");
                return 0;

            case ["count", var times]:
                WaitForLine();
                for (var done = 0; done < Number(times);)
                {
                    var counter = await blobs.FindAsync("counter", default);
                    var next = Number(Text(counter!)) + 1;
                    if (await blobs.TryReplaceAsync("counter", Bytes($"{next}"), Note(next), counter!.ETag, default) is not null)
                    {
                        Say($"counted {next}");
                        done++;
                    }
                }

                return 0;

            case ["append", var writer, var lines]:
                WaitForLine();
                for (var line = 0; line < Number(lines);)
                {
                    var length = (await blobs.FindEntryAsync("log.ndjson", default))?.Length ?? 0;
                    line += await blobs.TryAppendAsync("log.ndjson", length, Bytes($"{writer}:{line}\n"), default) ? 1 : 0;
                }

                return 0;

            case ["append-large", var target, var bytes]:
                store.Step = Say;
                var large = new byte[Number(bytes)];
                await blobs.TryAppendAsync(target, (await blobs.FindEntryAsync(target, default))!.Length, large, default);
                Say("appended");
                break;

            case ["stop-at", var step, "create", var name, var content]:
                store.Step = StopAt(step);
                await blobs.TryCreateAsync(name, Bytes(content), Note(1), default);
                break;

            case ["stop-at", var step, "replace", var name, var content]:
                store.Step = StopAt(step);
                await blobs.TryReplaceAsync(name, Bytes(content), Note(2), (await blobs.FindEntryAsync(name, default))!.ETag, default);
                break;

            case ["churn"]:
                var told = Task.Run(Console.ReadLine);
                for (var i = 0; !told.IsCompleted; i++)
                {
                    await blobs.PutAsync($"runs/{(i * 7919) % 100:d5}/x{i}", default, default);
                    await blobs.TryDeleteAsync($"runs/{(i * 7919) % 100:d5}/x{i}", null, default);
                }

                return 0;

            case ["receive", var queue]:
                var message = await new FilesRequestQueue(store, queue).ReceiveAsync(TimeSpan.FromHours(1), TimeSpan.FromSeconds(50), default);
                Say($"received {message?.MessageId} {message?.DeliveryCount}");
                break;

            case ["ring", var worker]:
                while (Console.ReadLine() is not null)
                {
                    await new FilesBell(store).RingAsync(worker, RunId.Create(TimeProvider.System), default);
                    Say("rang");
                }

                return 0;

            case ["host", var host]:
                new FilesHostLock(store).Hold(host);
                Say("holds");
                break;

            case ["open"]:
                break;

            default:
                return 64;
        }

        WaitForLine();
        return 0;
    }

    private static Action<string> StopAt(string step) => reached =>
    {
        if (reached == step)
        {
            Say($"at {step}");
            WaitForLine();
        }
    };

    private static Dictionary<string, string> Note(int number) => new() { ["n"] = number.ToString(CultureInfo.InvariantCulture) };

    private static void Say(string line)
    {
        Console.WriteLine(line);
        Console.Out.Flush();
    }

    private static void WaitForLine() => Console.ReadLine();

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(Blob blob) => Encoding.UTF8.GetString(blob.Content.Span);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
