using OzFunctions.Direct.Logs;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>
/// Asks one short command something, under a supervisor of its own that ends with this process: nothing that the command started outlives its answer, however it hid.
/// What it takes is bounded also where the command stops that supervisor or kills it.
/// </summary>
/// <param name="directory">A directory that is there for this alone; removed at the end.</param>
internal sealed class Inquiry(IShims shims, string directory, TimeProvider time)
{
    private const int SpoolBytes = 64 << 10;

    // A supervised command has nothing on its standard input, so it is given the file.
    private const string FromFile = "exec \"$@\" <\"$0\"";
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1);

    // For the supervisor to start, to stop the command and to end, on a machine that is short of everything.
    private static readonly TimeSpan Room = TimeSpan.FromSeconds(30);
    private ShimStatus? _known;

    /// <summary>Throws <see cref="ShimException"/> or <see cref="IOException"/> where nothing could be asked.</summary>
    public async Task<InquiryAnswer> AskAsync(InquiryQuestion question, CancellationToken cancellationToken)
    {
        await ClearAsync(cancellationToken);
        try
        {
            PrivateFiles.CreateDirectory(directory);
            var status = await RunAsync(question, cancellationToken);
            return ReadAnswer(status);
        }
        finally
        {
            // A host that is to end leaves it to its supervisor, and the rest to the next host.
            if (!cancellationToken.IsCancellationRequested)
            {
                await ClearAsync(cancellationToken);
            }
        }
    }

    /// <summary>Ends and removes what a host that was killed while it asked has left in an attempt's directory, and its supervisors with it.</summary>
    public static async Task ClearAllAsync(IShims shims, AttemptPlaces places, TimeProvider time, CancellationToken cancellationToken)
    {
        foreach (var directory in places.Inquiries)
        {
            await new Inquiry(shims, directory, time).ClearAsync(cancellationToken);
        }
    }

    /// <summary>Ends and removes what is there of a question.</summary>
    private async Task ClearAsync(CancellationToken cancellationToken)
    {
        if (!Directory.Exists(directory))
        {
            return;
        }

        if ((_known ?? shims.Identify(directory)) is { } left)
        {
            // Nobody waits for its answer any more: whether it is just ending or was stopped by what it watches is the same.
            shims.Kill(directory, left);
            await shims.SweepAsync(directory, left, cancellationToken);
        }

        TreeRemover.RemoveOnce(directory);
    }

    /// <summary>Null: its supervisor was killed, or did not answer.</summary>
    private async Task<ShimCommandStatus?> RunAsync(InquiryQuestion question, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(question.Within + Room, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await using var session = await shims.LaunchAsync(
                new ShimLaunch { PrivateDirectory = directory, Lease = question.Within + Room, EndsWithHost = true, SpoolBytes = SpoolBytes, User = question.User }, either.Token);
            _known = session.Status;
            await session.StartAsync(new ShimCommand
            {
                Phase = ShimPhase.Setup,
                Arguments = question.Input is { } input ? ["/bin/sh", "-c", FromFile, WriteInput(input), .. question.Arguments] : question.Arguments,
                Environment = question.Environment,
                WorkingDirectory = "/",
                Timeout = question.Within,
                StopGrace = StopGrace,
                FinishedGrace = question.Within,
            }, either.Token);
            var answer = session.WaitAsync(ShimPhase.Setup, either.Token);
            using (var answered = CancellationTokenSource.CreateLinkedTokenSource(either.Token))
            {
                if (await Task.WhenAny(answer, question.Unwanted.FiredAsync(answered.Token)) != answer)
                {
                    await session.StopAsync(ShimStopCause.Cancel, StopGrace, either.Token);
                }

                await answered.CancelAsync();
            }

            var status = await answer;
            await session.EndAsync(either.Token);

            // That all of it ended is the proof after which one look is enough; whom to look for stays what was told before anything was executed.
            _known = _known with { Commands = session.Status.Commands };
            return status;
        }
        catch (Exception exception) when (exception is ShimLostException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private string WriteInput(ReadOnlyMemory<byte> input)
    {
        var file = Path.Combine(directory, "input");
        AttemptPlaces.WritePrivate(file, input.Span);
        return file;
    }

    private InquiryAnswer ReadAnswer(ShimCommandStatus? status)
    {
        var (output, error) = (new WholeLines(), new WholeLines());
        using var reader = new SpoolReader(Path.Combine(directory, ShimProtocol.SpoolDirectory), SpoolPosition.Start, RegularFile.FindSegment);
        while (reader.TryRead(out var piece))
        {
            if (piece.Cut != default)
            {
                output.Tear();
                error.Tear();
            }

            if (piece.Stream is SpoolStream.SetupOut or SpoolStream.SetupErr)
            {
                (piece.Stream == SpoolStream.SetupOut ? output : error).Add(piece.Bytes.Span);
            }
        }

        return new(status, Lines(output), Lines(error));
    }

    // They go into records and onto screens.
    private static string[] Lines(WholeLines text) =>
        [.. System.Text.Encoding.UTF8.GetString(text.Bytes).Split('\n').Select(line => string.Concat(line.Where(character => !char.IsControl(character))).Trim())];

    /// <summary>An output without the lines that a gap goes through: of a secret that it tears nobody could tell what is left.</summary>
    private sealed class WholeLines
    {
        private readonly LogBuffer _text = new();
        private bool _torn;

        public ReadOnlySpan<byte> Bytes => _text.Span;

        public void Add(ReadOnlySpan<byte> bytes)
        {
            if (_torn)
            {
                var end = bytes.IndexOf((byte)'\n');
                _torn = end < 0;
                bytes = bytes[(end < 0 ? bytes.Length : end + 1)..];
            }

            _text.Append(bytes);
        }

        public void Tear()
        {
            _text.CutTo(_text.Span.LastIndexOf((byte)'\n') + 1);
            _torn = true;
        }
    }
}

/// <summary>What is asked, and how long for.</summary>
internal sealed record InquiryQuestion
{
    /// <summary>The first one is an absolute path.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>All that the command sees of the environment, <c>NAME=value</c>.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    /// <summary>The command is stopped after this.</summary>
    public required TimeSpan Within { get; init; }

    /// <summary>Nobody needs the answer any more: the command is stopped, and its end is the answer.</summary>
    public CancellationToken Unwanted { get; init; }

    /// <summary>The account it runs as; null: this process'.</summary>
    public ShimUser? User { get; init; }

    /// <summary>What it finds on its standard input, which only this process' own account can read. Default: nothing.</summary>
    public ReadOnlyMemory<byte>? Input { get; init; }
}

/// <summary>What came of it.</summary>
/// <param name="Status">How the command ended; null: its supervisor was ended before it.</param>
/// <param name="Output">The whole lines of its standard output without control characters, the middle cut where it is long.</param>
/// <param name="Error">The same of its standard error.</param>
internal sealed record InquiryAnswer(ShimCommandStatus? Status, IReadOnlyList<string> Output, IReadOnlyList<string> Error);
