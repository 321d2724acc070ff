using System.Security.Cryptography;
using System.Text.Json;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Environments;
using OzFunctions.Direct.Logs;
using OzFunctions.Direct.Posix;
using OzFunctions.Masking;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Masking;

/// <summary>
/// What is masked of one attempt: until setup is over what the host knows, from then on also what setup wrote to the environment file. What of it the run's
/// commands are given stands in the private directory, so that a host that adopts masks it whatever its own configuration says, also after the shim was
/// killed. The host's other secrets never lie where a run could read them: the host that adopts masks those that it has itself (ADR 0008). Where that file was made
/// unreadable, or is not the one whose digest the record has, what else would have to be masked is not known: nothing that the run's commands wrote is shown from then on.
/// </summary>
internal sealed class AttemptMasks
{
    private const int SaltBytes = 16;
    private readonly AttemptPlaces _places;
    private readonly MaskerCache _maskers;
    private readonly Lock _gate = new();
    private readonly AttemptSecrets _early;
    private Masker? _late;
    private string? _digest;

    private AttemptMasks(AttemptPlaces places, MaskerCache maskers, AttemptSecrets early, IReadOnlyList<string>? late, string? digest, bool isLost)
    {
        (_places, _maskers, _early, _digest, IsLost) = (places, maskers, early, digest, isLost);
        Early = maskers.Get(early.Values);
        _late = late is null ? null : maskers.Get(late);
    }

    /// <summary>An earlier host kept what is masked, and it cannot be read any more, or is another: what this host knows may not be all of it.</summary>
    public bool IsLost { get; }

    /// <summary>Names what is kept, for the record; what is lost has one that nothing can have, what an earlier version kept has none.</summary>
    public string? Digest
    {
        get
        {
            lock (_gate)
            {
                return IsLost ? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SHA256.HashSizeInBytes)) : _digest;
            }
        }
    }

    /// <summary>For the output of setup.</summary>
    public Masker Early { get; }

    /// <summary>For everything behind it. Asked for before it was fixed, it is fixed with what the environment file holds.</summary>
    public Masker Late
    {
        get
        {
            lock (_gate)
            {
                return _late ?? FixAsItStands();
            }
        }
    }

    /// <summary>Variables known from the start whose values cannot be masked.</summary>
    public IReadOnlyCollection<string> Unmasked => _early.Unmasked;

    /// <summary>Opens what an earlier host kept, else keeps what this one knows. Nothing of the attempt may be rendered before.</summary>
    /// <param name="options">This host's.</param>
    /// <param name="request">Of the run.</param>
    /// <param name="places">Of the attempt.</param>
    /// <param name="maskers">Of the host.</param>
    /// <param name="wasFixed">The agent was asked for, so the set was fixed and kept before.</param>
    /// <param name="digest">Of what was kept then, where the run's commands do not reach; null: not known, an earlier version began the attempt.</param>
    public static AttemptMasks Open(DirectOptions options, RunRequest request, AttemptPlaces places, MaskerCache maskers, bool wasFixed = false, string? digest = null)
    {
        var own = AttemptSecrets.Of(options, request);
        var (known, found, isLost) = Read(places);
        if (known is not null)
        {
            isLost = (wasFixed && known.Late is null) || (digest is not null && digest != found);
            return new AttemptMasks(places, maskers, own.With(known.Early), known.Late is { } late ? own.With(late).Values : null, known.Salt is null ? null : found, isLost);
        }

        var masks = new AttemptMasks(places, maskers, own, late: null, digest: null, isLost || wasFixed);
        masks.TryKeep(late: null);
        return masks;
    }

    public IOutputFilter CreateFilter() => IsLost ? new WithholdingFilter(new MaskingFilter(this)) : new MaskingFilter(this);

    /// <summary>Fixes the set before the agent is started; answers the variables whose values cannot be masked. Throws <see cref="IOException"/> when the disk refuses it.</summary>
    public IReadOnlyCollection<string> Fix(IReadOnlyList<KeyValuePair<string, string>> variables)
    {
        lock (_gate)
        {
            var secrets = _early.With(variables);
            if (_late is null)
            {
                Keep(secrets.Given);
                _late = _maskers.Get(secrets.Values);
            }

            return secrets.Unmasked;
        }
    }

    /// <summary>For texts of the host: all that is known by now.</summary>
    public string Mask(string text)
    {
        lock (_gate)
        {
            return (_late ?? Early).MaskText(text);
        }
    }

    /// <summary>A fault as the host's own log may show it: paths and texts in it may be the run's.</summary>
    public Exception Conceal(Exception exception) => new ConcealedException(Mask(exception.Message), Mask(exception.ToString()));

    private static (MaskFile? File, string? Digest, bool IsLost) Read(AttemptPlaces places)
    {
        try
        {
            if (RegularFile.FindAll(places.Secrets) is not { } bytes)
            {
                return (null, null, IsLost: false);
            }

            var file = JsonSerializer.Deserialize(bytes, DirectJson.Disk.MaskFile);
            return (file, DigestOf(bytes), IsLost: file is null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return (null, null, IsLost: true);
        }
    }

    private static string DigestOf(ReadOnlySpan<byte> kept) => Convert.ToHexStringLower(SHA256.HashData(kept));

    private Masker FixAsItStands()
    {
        IReadOnlyList<KeyValuePair<string, string>> variables = [];
        try
        {
            // Setup failed or wrote nonsense: no command was ever given what is in it, but teardown may print it.
            variables = EnvironmentFile.Guess(_places.EnvironmentFile);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Nothing can be known of it.
        }

        var secrets = _early.With(variables);
        TryKeep(secrets.Given);
        return _late = _maskers.Get(secrets.Values);
    }

    private void TryKeep(IReadOnlyList<string>? late)
    {
        try
        {
            Keep(late);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A full disk. This host masks all the same; the next one would go by its own configuration.
        }
    }

    private void Keep(IReadOnlyList<string>? late)
    {
        if (IsLost)
        {
            // The next host would take what this one knows for all of it.
            return;
        }

        var next = _places.Secrets + ".new";
        var salt = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SaltBytes));
        var bytes = JsonSerializer.SerializeToUtf8Bytes(new MaskFile { Early = _early.Given, Late = late, Salt = salt }, DirectJson.Disk.MaskFile);
        AttemptPlaces.WritePrivate(next, bytes);
        File.Move(next, _places.Secrets, overwrite: true);
        _digest = DigestOf(bytes);
    }
}

/// <summary>Another exception's words with the secrets of the run masked.</summary>
internal sealed class ConcealedException(string message, string whole) : Exception(message)
{
    public override string ToString() => whole;
}

/// <summary>What the private directory holds for it, raw, mode 0600; deleted with the directory.</summary>
internal sealed record MaskFile
{
    public required IReadOnlyList<string> Early { get; init; }

    /// <summary>Null until it is fixed.</summary>
    public IReadOnlyList<string>? Late { get; init; }

    /// <summary>Keeps a short secret from being guessed by the digest in the record; null: an earlier version wrote it.</summary>
    public string? Salt { get; init; }
}
