using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Keys;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Keys;

/// <summary><c>ozf keys …</c>: keys of the API.</summary>
internal static class KeysCommand
{
    public static Command Create(Surroundings surroundings) => new Command("keys", "Make keys for the API").With(CreateNew(surroundings));

    private static Command CreateNew(Surroundings surroundings)
    {
        var name = new Argument<string>("name") { Description = "Who will use it; stands in the records of runs", Arity = ArgumentArity.ZeroOrOne };
        var scopes = new Option<string[]>("--scope") { HelpName = "SCOPE", Description = "submit, read, cancel or admin (repeat) [default: submit, read and cancel]" };
        scopes.AcceptOnlyFromAmong("submit", "read", "cancel", "admin");
        return new Command("new", "Print a new key once, and the line of api_keys[] that lets it in").With(name, scopes).Does(surroundings, (context, _) =>
        {
            var label = context.Get(name) is { Length: > 0 } given ? given : "caller";
            if (!SecretReferences.IsName(label) || label == KeyText.LocalName)
            {
                throw CommandException.Usage(label == KeyText.LocalName ? "'local' is the name of the key file's own key; choose another." : $"name: '{label}': {SecretReferences.NameRule}");
            }

            var wanted = context.Get(scopes) is { Length: > 0 } chosen ? chosen.Distinct().ToArray() : ["submit", "read", "cancel"];
            var key = KeyText.Create();
            var hash = Convert.ToHexStringLower(KeyText.Hash(key));
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("name", label);
                    json.WriteString("key", key);
                    json.WriteString("sha256", hash);
                    json.WriteStartArray("scopes");
                    foreach (var scope in wanted)
                    {
                        json.WriteStringValue(scope);
                    }

                    json.WriteEndArray();
                    json.WriteEndObject();
                });
                return Task.FromResult(ExitCodes.Success);
            }

            context.Screen.Note("The key; it is kept nowhere, so give it to its user now:", Style.Quiet);
            context.Screen.Line(key);
            context.Screen.Note("Its entry of api_keys[] in the configuration, which holds no secret:", Style.Quiet);
            context.Screen.Note($"  - {{ name: {label}, sha256: {hash}, scopes: [{string.Join(", ", wanted)}] }}");
            return Task.FromResult(ExitCodes.Success);
        });
    }
}
