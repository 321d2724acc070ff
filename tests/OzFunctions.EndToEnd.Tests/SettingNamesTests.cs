using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Keys;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>One name for one setting: in the function app's code, <c>local.settings.sample.json</c>, <c>host.json</c>, <c>infra/</c> and <c>docs/azure.md</c>.</summary>
public sealed partial class SettingNamesTests
{
    private static readonly string Root = Repository.Root;
    private static readonly string App = string.Concat(Directory.EnumerateFiles(Path.Combine(Root, "src", "OzFunctions.FunctionApp"), "*.cs", SearchOption.AllDirectories)
        .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal)).Select(File.ReadAllText));

    /// <summary>Read by the app's code, each with the constant it is read by.</summary>
    private static readonly Dictionary<string, string> Settings = Constants().Matches(Text("src/OzFunctions.FunctionApp/SettingNames.cs"))
        .Where(match => match.Groups[2].Value.Contains('_', StringComparison.Ordinal)).ToDictionary(match => match.Groups[2].Value, match => match.Groups[1].Value);

    private static readonly List<string> Functions =
        [.. FunctionNames().Matches(App).Select(match => match.Groups[1].Success ? match.Groups[1].Value : match.Groups[2].Value).Order(StringComparer.Ordinal)];

    /// <summary>What the Functions host and its triggers read, not our code.</summary>
    private static readonly string[] OfTheHost =
        ["FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId", "AzureWebJobsDisableHomepage"];

    /// <summary>Below the name of each connection that is made by an identity: ours and the triggers' (<c>https://aka.ms/functions-identity</c>).</summary>
    private static readonly Dictionary<string, string[]> Parts = new()
    {
        ["OZF_STORAGE"] = ["blobServiceUri", "queueServiceUri", "credential", "clientId"],
        ["OZF_SERVICEBUS"] = ["fullyQualifiedNamespace", "credential", "clientId"],
    };

    [Fact]
    public void The_code_reads_every_setting_that_it_names()
    {
        Assert.Equal(["APPLICATIONINSIGHTS_CONNECTION_STRING", "AZURE_CLIENT_ID", "OZF_API_KEY", "OZF_CONFIG", "OZF_SERVICEBUS", "OZF_STORAGE"], Settings.Keys.Order(StringComparer.Ordinal));

        // The identity is the SDK's to read.
        Assert.All(Settings.Where(setting => setting.Key != "AZURE_CLIENT_ID"), setting => Assert.Contains($"SettingNames.{setting.Value}", App, StringComparison.Ordinal));

        // Of an identity's group the address is ours to read, the rest is the triggers'.
        Assert.Contains("GetSection(SettingNames.Storage)[SettingNames.BlobServiceUri]", App, StringComparison.Ordinal);
        Assert.Contains("GetSection(SettingNames.ServiceBus)[SettingNames.FullyQualifiedNamespace]", App, StringComparison.Ordinal);
        Assert.Contains("BlobServiceUri = \"blobServiceUri\"", App, StringComparison.Ordinal);
        Assert.Contains("FullyQualifiedNamespace = \"fullyQualifiedNamespace\"", App, StringComparison.Ordinal);
    }

    [Fact]
    public void The_sample_of_local_settings_holds_known_names_and_is_no_secret()
    {
        var values = Json("local.settings.sample.json").GetProperty("Values").EnumerateObject().ToList();

        Assert.All(values, value => Assert.True(IsKnown(value.Name), value.Name));
        Assert.All(
            ["FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "OZF_STORAGE", "OZF_SERVICEBUS", "OZF_CONFIG", "OZF_API_KEY", .. Switches],
            name => Assert.Contains(values, value => value.Name == name));
        Assert.DoesNotContain(values, value => value.Value.GetString()!.Contains("AccountKey", StringComparison.Ordinal));
        Assert.NotNull(KeyText.FindFault(values.Single(value => value.Name == "OZF_API_KEY").Value.GetString()!));
    }

    [Fact]
    public void Bicep_sets_known_names_and_every_one_that_a_deployment_needs()
    {
        var block = BicepBlock().Match(Text("infra/modules/functions.bicep")).Groups[1].Value;
        var names = BicepSettings().Matches(block).Select(match => match.Groups[1].Value).ToList();

        // Every line of the block is a setting, whatever it is called.
        Assert.Equal(block.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, names.Count);
        Assert.All(names, name => Assert.True(IsKnown(name), name));
        Assert.All(Settings.Keys.Except(Parts.Keys).Concat(Switches), setting => Assert.Contains(setting, names));

        // By identity, whole groups, and no connection string beside them.
        Assert.All(Parts, connection => Assert.Equal(
            connection.Value.Select(part => $"{connection.Key}__{part}").Order(StringComparer.Ordinal),
            names.Where(name => name.StartsWith(connection.Key, StringComparison.Ordinal)).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void The_page_explains_every_setting_and_names_no_other()
    {
        var page = Text("docs/azure.md");
        var named = PageSettings().Matches(page).Select(match => match.Value).Distinct().ToList();
        var ofDeployment = EnvironmentReads().Matches(Text("infra/main.bicepparam")).Select(match => match.Groups[1].Value).ToList();

        // What the contract tests of the Service Bus adapter read.
        var ofTests = Text("tests/OzFunctions.ServiceBus.Tests/Broker.cs");

        Assert.All(named, name => Assert.True(IsKnown(name) || ofDeployment.Contains(name) || ofTests.Contains($"\"{name}\"", StringComparison.Ordinal), name));
        Assert.All(
            Settings.Keys.Concat(Functions).Concat(Switches).Concat(Parts.SelectMany(connection => connection.Value.Select(part => $"{connection.Key}__{part}"))),
            name => Assert.Contains($"`{name}`", page, StringComparison.Ordinal));
        Assert.All(ofDeployment, name => Assert.Contains($"export {name}=", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Hosts_are_given_variables_that_ozf_reads()
    {
        var cli = string.Concat(Directory.EnumerateFiles(Path.Combine(Root, "src", "OzFunctions.Cli"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText));
        var given = HostVariables().Matches(Text("infra/cloud-init.yaml")).Select(match => match.Groups[1].Value).Distinct().ToList();

        Assert.Equal(["OZF_CONFIG", "OZF_STORAGE"], given.Order(StringComparer.Ordinal));
        Assert.All(given, name => Assert.Contains(name, cli, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_trigger_can_be_switched_off_and_the_host_file_suits_them()
    {
        Assert.Equal(
            ["Api", "PoisonedRequestsFromServiceBus", "PoisonedRequestsFromStorageQueue", "RunRequestsFromServiceBus", "RunRequestsFromStorageQueue", "Tick"], Functions);

        var extensions = Json("host.json").GetProperty("extensions");
        Assert.Equal("", extensions.GetProperty("http").GetProperty("routePrefix").GetString());
        Assert.Equal("none", extensions.GetProperty("queues").GetProperty("messageEncoding").GetString());
        Assert.False(extensions.GetProperty("serviceBus").GetProperty("autoCompleteMessages").GetBoolean());
        Assert.Equal("OpenTelemetry", Json("host.json").GetProperty("telemetryMode").GetString());
    }

    [Fact]
    public void Both_brokers_give_a_message_up_after_as_many_deliveries_as_the_page_says()
    {
        var queues = Json("host.json").GetProperty("extensions").GetProperty("queues");
        var page = Text("docs/azure.md");

        Assert.Equal(100, queues.GetProperty("maxDequeueCount").GetInt32());
        Assert.Contains("maxDeliveryCount: 100", Text("infra/modules/servicebus.bicep"), StringComparison.Ordinal);
        Assert.Contains("| 100: ", page, StringComparison.Ordinal);
        Assert.Equal("00:00:30", queues.GetProperty("visibilityTimeout").GetString());
        Assert.Contains("visible again after 30 s", page, StringComparison.Ordinal);
        Assert.Equal("00:05:00", Json("host.json").GetProperty("functionTimeout").GetString());
        Assert.Contains("| a function | 5 minutes", page, StringComparison.Ordinal);
    }

    /// <summary>The runtime calls no function any more for what failed there a hundred times (its <c>QueueProcessor</c>); a step of ours still keeps it.</summary>
    [Fact]
    public void What_lies_in_the_poison_queue_is_taken_by_the_tick_too() =>
        Assert.Contains("requests.BuryGivenUpAsync(", Text("src/OzFunctions.FunctionApp/Functions/Tick.cs"), StringComparison.Ordinal);

    [Fact]
    public void Every_parameter_that_a_deployment_may_want_changed_reaches_its_module()
    {
        var main = Text("infra/main.bicep");

        Assert.All(
            BicepParameters().Matches(main).Select(match => match.Groups[1].Value),
            name => Assert.True(Regex.Count(main, $@"\b{name}\b") > 1, $"{name} is asked for and used by nothing"));
        Assert.Contains("useServiceBus: useServiceBus", main, StringComparison.Ordinal);
    }

    [Fact]
    public void Queues_and_topic_are_called_the_same_everywhere()
    {
        Assert.Contains("RequestQueue = \"oz-requests\"", Text("src/OzFunctions.FunctionApp/SettingNames.cs"), StringComparison.Ordinal);
        Assert.Contains("name: 'oz-requests'", Text("infra/modules/servicebus.bicep"), StringComparison.Ordinal);
        Assert.Contains("name: 'oz-events'", Text("infra/modules/servicebus.bicep"), StringComparison.Ordinal);
        Assert.Contains("'oz-requests', 'oz-requests-poison', 'oz-events'", Text("infra/modules/storage.bicep"), StringComparison.Ordinal);
        Assert.Contains("name: 'ozfunctions'", Text("infra/modules/storage.bicep"), StringComparison.Ordinal);

        var emulator = Assert.Single(Json("infra/emulator/servicebus.json").GetProperty("UserConfig").GetProperty("Namespaces").EnumerateArray());
        Assert.Equal("oz-requests", Assert.Single(emulator.GetProperty("Queues").EnumerateArray()).GetProperty("Name").GetString());
        var topic = Assert.Single(emulator.GetProperty("Topics").EnumerateArray());
        Assert.Equal("oz-events", topic.GetProperty("Name").GetString());
        var rule = Assert.Single(Assert.Single(topic.GetProperty("Subscriptions").EnumerateArray()).GetProperty("Rules").EnumerateArray());
        var filter = rule.GetProperty("Properties").GetProperty("SqlFilter").GetProperty("SqlExpression").GetString()!;
        Assert.Contains($"sqlExpression: '{filter.Replace("'", "\\'", StringComparison.Ordinal)}'", Text("infra/modules/servicebus.bicep"), StringComparison.Ordinal);
    }

    /// <summary>An agent that gets at its host's identity must not come to the app's package, nor to the keys of the Functions host.</summary>
    [Fact]
    public void Hosts_may_write_the_container_of_runs_and_no_other_blobs()
    {
        var storage = Text("infra/modules/storage.bicep");

        Assert.DoesNotMatch(@"hostsPrincipalId, role: blob(Contributor|Owner)", storage);
        Assert.Matches(@"(?s)resource hostsMayWriteRuns [^{]*\{\s+scope: runs\s", storage);
    }

    [Fact]
    public void Alerts_read_the_lines_that_the_code_writes()
    {
        var alerts = Text("infra/modules/alerts.bicep");
        var fleet = Text("src/OzFunctions.Core/Hosts/FleetWatch.cs");

        Assert.Contains("\"Fleet: ", fleet, StringComparison.Ordinal);
        Assert.All(["Waiting", "OldestSeconds", "ReadyHosts", "DeadHosts"], name =>
        {
            Assert.Contains("customDimensions." + name, alerts, StringComparison.Ordinal);
            Assert.Contains("{" + name + "}", fleet, StringComparison.Ordinal);
        });
        // An exporter that leaves lines out with the traces they belong to would make the app look silent.
        Assert.Contains("EnableTraceBasedLogsSampler = false", App, StringComparison.Ordinal);
        Assert.Contains("contains \" became dead letter \"", alerts, StringComparison.Ordinal);
        Assert.Contains(" became dead letter ", Text("src/OzFunctions.Core/Queues/MessageIntake.cs"), StringComparison.Ordinal);
    }

    private static IEnumerable<string> Switches =>
        Functions.Where(function => function.Contains("Requests", StringComparison.Ordinal)).Select(function => $"AzureWebJobs.{function}.Disabled");

    private static bool IsKnown(string name)
    {
        if (name.StartsWith("AzureWebJobs.", StringComparison.Ordinal))
        {
            return name.EndsWith(".Disabled", StringComparison.Ordinal) && Functions.Contains(name["AzureWebJobs.".Length..^".Disabled".Length]);
        }

        var parts = name.Split("__");
        return OfTheHost.Contains(name) || (Settings.ContainsKey(parts[0]) && (parts.Length == 1 || (parts.Length == 2 && Parts.TryGetValue(parts[0], out var below) && below.Contains(parts[1]))));
    }

    private static string Text(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static JsonElement Json(string path) => JsonDocument.Parse(Text(path)).RootElement;

    [GeneratedRegex("const string (\\w+) = \"(\\w+)\"")]
    private static partial Regex Constants();

    [GeneratedRegex(@"\[Function\((?:nameof\((\w+)\)|""(\w+)"")\)\]")]
    private static partial Regex FunctionNames();

    [GeneratedRegex(@"(?s)name: 'appsettings'\n  properties: \{\n(.*?)\n  \}")]
    private static partial Regex BicepBlock();

    [GeneratedRegex(@"(?m)^    '?([\w.]+)'?:")]
    private static partial Regex BicepSettings();

    [GeneratedRegex(@"(?m)^param (\w+) ")]
    private static partial Regex BicepParameters();

    [GeneratedRegex(@"(?:OZF_[A-Z0-9_]*[A-Z0-9](?:__\w+)?|AzureWebJobs\.\w+\.Disabled|APPLICATIONINSIGHTS_\w+|AZURE_CLIENT_ID)")]
    private static partial Regex PageSettings();

    [GeneratedRegex(@"readEnvironmentVariable\('(\w+)'\)")]
    private static partial Regex EnvironmentReads();

    [GeneratedRegex("(?m)^ +(OZF_[A-Z_]+)=")]
    private static partial Regex HostVariables();
}
