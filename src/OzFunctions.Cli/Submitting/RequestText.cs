using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Configuration;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Submitting;

/// <summary>
/// Makes the request's JSON from a file and flags. Values are passed on as they were typed: the one reader of requests judges them, so that
/// flags, files and messages get the same faults.
/// </summary>
internal static class RequestText
{
    private static readonly JsonSerializerOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Throws <see cref="CommandException"/> with every fault of flags and request.</summary>
    public static Task<RunRequest> ReadAsync(RequestOptions options, CommandContext context, CancellationToken cancellationToken) =>
        ReadAsync(options, context, [], [], cancellationToken);

    /// <param name="under">A request that flags are laid over when no file is given.</param>
    /// <param name="removed">Fields of it that are left out.</param>
    public static async Task<RunRequest> ReadAsync(
        RequestOptions options, CommandContext context, JsonObject under, IReadOnlyList<string> removed, CancellationToken cancellationToken)
    {
        var faults = new List<string>();
        foreach (var field in removed.Where(field => !under.Remove(field)))
        {
            faults.Add($"--remove {field}: the request has no such field" + Suggestion.For(field, under.Select(entry => entry.Key)) + ".");
        }

        var read = RunRequestReader.Read(await WriteAsync(options, context, under, faults, cancellationToken));
        faults.AddRange(read.Faults.Select(fault => fault.ToString()));
        return faults.Count == 0 ? read.Request! : throw CommandException.Usage([.. faults]);
    }

    private static async Task<ReadOnlyMemory<byte>> WriteAsync(
        RequestOptions options, CommandContext context, JsonObject under, List<string> faults, CancellationToken cancellationToken)
    {
        var document = under;
        if (context.Get(options.File) is { } file)
        {
            var content = await InputFile.ReadAsync(file, context.Surroundings, cancellationToken);
            if (!Utf8.IsValid(content.Span) || Parse(content) is not { } parsed)
            {
                // Not an object, or bytes that writing it again would replace: the reader says what is wrong with it.
                return content;
            }

            document = parsed;
        }

        // Flags speak of the request, also when a CloudEvent carries it.
        var request = document.ContainsKey("specversion") && document["data"] is JsonObject data ? data : document;
        Overlay(request, options, context, faults);
        return Encoding.UTF8.GetBytes(document.ToJsonString(Writing));
    }

    private static JsonObject? Parse(ReadOnlyMemory<byte> content)
    {
        try
        {
            // Doubled names are the reader's to refuse, not to be merged here.
            using var document = JsonDocument.Parse(content, new() { AllowDuplicateProperties = false });
            return document.RootElement.ValueKind == JsonValueKind.Object ? JsonNode.Parse(content.Span)!.AsObject() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void Overlay(JsonObject request, RequestOptions options, CommandContext context, List<string> faults)
    {
        foreach (var (option, field) in options.Texts)
        {
            if (context.Get(option) is { } text)
            {
                // The CLI takes more forms of this one than a request does (facts A2.15).
                request[field] = option == options.IdleOnComplete && HumanDuration.TryParse(text, out var idle) ? DurationText.Format(idle) : text;
            }
        }

        foreach (var (option, field) in options.Numbers)
        {
            if (context.Get(option) is { } text)
            {
                request[field] = int.TryParse(text, out var number) ? number : text;
            }
        }

        foreach (var (option, field) in options.Lists)
        {
            if (context.Has(option))
            {
                request[field] = new JsonArray([.. context.Get(option)!.Select(value => (JsonNode)value)]);
            }
        }

        if (context.Get(options.ComputerUse) && context.Get(options.NoComputerUse))
        {
            faults.Add("--computer-use and --no-computer-use exclude each other.");
        }
        else if (context.Get(options.ComputerUse) || context.Get(options.NoComputerUse))
        {
            request["computer_use"] = context.Get(options.ComputerUse);
        }

        if (context.Get(options.NoChanges))
        {
            request["changes"] = false;
        }

        OverlayPairs(request, options, context, faults);
    }

    private static void OverlayPairs(JsonObject request, RequestOptions options, CommandContext context, List<string> faults)
    {
        foreach (var entry in context.Get(options.Env) ?? [])
        {
            var (name, value) = Split(entry);
            value ??= context.Surroundings.Environment.GetValueOrDefault(name);
            if (value is null)
            {
                faults.Add($"--env {name}: there is no variable of this name here; give it as {name}=VALUE.");
                continue;
            }

            ObjectAt(request, "env")[name] = value;
        }

        foreach (var entry in context.Get(options.Secret) ?? [])
        {
            var (name, secret) = Split(entry);
            ObjectAt(request, "env")[name] = new JsonObject { ["secret"] = secret ?? name };
        }

        foreach (var entry in context.Get(options.Metadata) ?? [])
        {
            var (name, value) = Split(entry);
            if (value is null)
            {
                faults.Add($"--metadata {name}: KEY=VALUE is expected.");
                continue;
            }

            ObjectAt(request, "metadata")[name] = value;
        }
    }

    private static (string Name, string? Value) Split(string entry) =>
        entry.IndexOf('=') is var at and >= 0 ? (entry[..at], entry[(at + 1)..]) : (entry, null);

    private static JsonObject ObjectAt(JsonObject request, string field)
    {
        if (request[field] is not JsonObject there)
        {
            request[field] = there = [];
        }

        return there;
    }
}
