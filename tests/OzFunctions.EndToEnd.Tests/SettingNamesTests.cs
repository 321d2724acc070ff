using System.Text.Json;
using System.Text.RegularExpressions;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>One name for one setting: in the function app's code, <c>local.settings.sample.json</c>, <c>host.json</c>, <c>infra/</c> and <c>docs/azure.md</c>.</summary>
public sealed partial class SettingNamesTests
{
    private static readonly string Root = FindRoot();
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

    /// <summary>Below a connection's name.</summary>
    private static readonly string[] Parts = ["blobServiceUri", "queueServiceUri", "fullyQualifiedNamespace", "credential", "clientId"];

    [Fact]
    public void The_code_reads_every_setting_that_it_names()
    {
        Assert.Equal(["APPLICATIONINSIGHTS_CONNECTION_STRING", "AZURE_CLIENT_ID", "OZF_API_KEY", "OZF_CONFIG", "OZF_SERVICEBUS", "OZF_STORAGE"], Settings.Keys.Order(StringComparer.Ordinal));

        // The identity is the SDK's to read.
        Assert.All(Settings.Where(setting => setting.Key != "AZURE_CLIENT_ID"), setting => Assert.Contains($"SettingNames.{setting.Value}", App, StringComparison.Ordinal));
    }

    [Fact]
    public void The_sample_of_local_settings_holds_known_names_and_is_no_secret()
    {
        var values = Json("local.settings.sample.json").GetProperty("Values").EnumerateObject().ToList();

        Assert.All(values, value => Assert.True(IsKnown(value.Name), value.Name));
        Assert.All(["OZF_STORAGE", "OZF_SERVICEBUS", "OZF_CONFIG", "OZF_API_KEY"], name => Assert.Contains(values, value => value.Name == name));
        Assert.DoesNotContain(values, value => value.Value.GetString()!.Contains("AccountKey", StringComparison.Ordinal));
    }

    [Fact]
    public void Bicep_sets_known_names_and_every_one_that_a_deployment_needs()
    {
        var names = BicepSettings().Matches(Text("infra/modules/functions.bicep")).Select(match => match.Groups[1].Value).ToList();

        Assert.True(names.Count > 15);
        Assert.All(names, name => Assert.True(IsKnown(name), name));
        Assert.All(Settings.Keys, setting => Assert.Contains(names, name => name == setting || name.StartsWith(setting + "__", StringComparison.Ordinal)));
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
        Assert.All(Settings.Keys.Concat(ofDeployment).Concat(Functions), name => Assert.Contains(name, page, StringComparison.Ordinal));
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
    public void Queues_and_topic_are_called_the_same_everywhere()
    {
        Assert.Contains("RequestQueue = \"oz-requests\"", Text("src/OzFunctions.FunctionApp/SettingNames.cs"), StringComparison.Ordinal);
        Assert.Contains("name: 'oz-requests'", Text("infra/modules/servicebus.bicep"), StringComparison.Ordinal);
        Assert.Contains("name: 'oz-events'", Text("infra/modules/servicebus.bicep"), StringComparison.Ordinal);
        Assert.Contains("'oz-requests', 'oz-requests-poison', 'oz-events'", Text("infra/modules/storage.bicep"), StringComparison.Ordinal);
        Assert.Contains("name: 'ozfunctions'", Text("infra/modules/storage.bicep"), StringComparison.Ordinal);
    }

    [Fact]
    public void Alerts_read_the_lines_that_the_code_writes()
    {
        var alerts = Text("infra/modules/alerts.bicep");
        var fleet = Text("src/OzFunctions.Core/Hosts/FleetWatch.cs");

        Assert.Contains("\"Fleet: ", fleet, StringComparison.Ordinal);
        Assert.All(["Waiting", "OldestSeconds", "ReadyHosts"], name =>
        {
            Assert.Contains("customDimensions." + name, alerts, StringComparison.Ordinal);
            Assert.Contains("{" + name + "}", fleet, StringComparison.Ordinal);
        });
        Assert.Contains(" was lost with host ", alerts, StringComparison.Ordinal);
        Assert.Contains(" was lost with host ", Text("src/OzFunctions.Core/Ticks/RunTick.cs"), StringComparison.Ordinal);
    }

    private static bool IsKnown(string name)
    {
        if (name.StartsWith("AzureWebJobs.", StringComparison.Ordinal))
        {
            return name.EndsWith(".Disabled", StringComparison.Ordinal) && Functions.Contains(name["AzureWebJobs.".Length..^".Disabled".Length]);
        }

        var parts = name.Split("__");
        return OfTheHost.Contains(name) || (Settings.ContainsKey(parts[0]) && (parts.Length == 1 || (parts.Length == 2 && Parts.Contains(parts[1]))));
    }

    private static string Text(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static JsonElement Json(string path) => JsonDocument.Parse(Text(path)).RootElement;

    private static string FindRoot()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "OzFunctions.sln")))
        {
            at = at.Parent ?? throw new DirectoryNotFoundException($"No OzFunctions.sln above {AppContext.BaseDirectory}.");
        }

        return at.FullName;
    }

    [GeneratedRegex("const string (\\w+) = \"(\\w+)\"")]
    private static partial Regex Constants();

    [GeneratedRegex(@"\[Function\((?:nameof\((\w+)\)|""(\w+)"")\)\]")]
    private static partial Regex FunctionNames();

    [GeneratedRegex(@"(?m)^    '?((?:AzureWebJobs|OZF_|AZURE_|APPLICATIONINSIGHTS_)[\w.]*)'?:")]
    private static partial Regex BicepSettings();

    [GeneratedRegex(@"(?:OZF_[A-Z0-9_]*[A-Z0-9](?:__\w+)?|AzureWebJobs\.\w+\.Disabled|APPLICATIONINSIGHTS_\w+|AZURE_CLIENT_ID)")]
    private static partial Regex PageSettings();

    [GeneratedRegex(@"readEnvironmentVariable\('(\w+)'\)")]
    private static partial Regex EnvironmentReads();

    [GeneratedRegex("(?m)^ +(OZF_[A-Z_]+)=")]
    private static partial Regex HostVariables();
}
