using OzFunctions.Configuration;

namespace OzFunctions.Cli.Tests.Configuration;

public sealed class ConfigurationFileTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ozf-config-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_file_is_loaded()
    {
        var path = Write("ozf.yaml", "\ufeffworker_id: a\n"u8);

        Assert.Equal("a", ConfigurationFile.Load(path).Configuration!.WorkerId);
    }

    [Fact]
    public void A_missing_file_is_a_fault_that_names_it()
    {
        var path = Path.Combine(_directory, "none", "ozf.yaml");

        var fault = Assert.Single(ConfigurationFile.Load(path).Faults);

        Assert.StartsWith($"{path}: the file does not exist", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_is_a_fault() => Assert.Contains("is a directory", Assert.Single(ConfigurationFile.Load(_directory).Faults).Rule, StringComparison.Ordinal);

    [Fact]
    public void Bytes_that_are_no_text_are_a_fault() =>
        Assert.Contains("not UTF-8", Assert.Single(ConfigurationFile.Load(Write("x.yaml", [0xff, 0xfe, 0x00])).Faults).Rule, StringComparison.Ordinal);

    [Fact]
    public void Secrets_come_from_the_environment_and_from_files()
    {
        var file = Write("token", "from-file\n"u8);
        var configuration = Read($"secrets: [{{name: A, env: A_VAR}}, {{name: B, file: {file}}}]\napi_keys: [{{name: k, env: A_VAR}}]\n");

        var values = SecretValues.Resolve(configuration, new Dictionary<string, string> { ["A_VAR"] = "from-env" });

        Assert.Empty(values.Faults);
        Assert.Equal(new Dictionary<string, string> { ["A"] = "from-env", ["B"] = "from-file" }, values.ByName(configuration.Secrets));
        Assert.Equal("from-env", values.Get(configuration.ApiKeys[0].Source!));
        Assert.Equal(["from-env", "from-file"], values.All.Order(StringComparer.Ordinal));
        Assert.DoesNotContain("from-", values.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_that_is_not_there_is_a_fault_that_names_it()
    {
        var empty = Write("empty", "\n"u8);
        var configuration = Read($$$"""
            storage: {env: CONNECTION}
            secrets:
            - {name: A, env: A_VAR}
            - {name: B, file: /none/token}
            - {name: C, file: {{{empty}}}}
            backend: {direct: {environment: [{name: X_TOKEN, value: {env: X} }] } }
            """);

        var faults = SecretValues.Resolve(configuration, new Dictionary<string, string> { ["A_VAR"] = "" }).Faults;

        Assert.Equal(["secrets.A", "secrets.B", "secrets.C", "backend.direct.environment.X_TOKEN", "storage"], faults.Select(fault => fault.Key));
        Assert.Contains("A_VAR", faults[0].ToString(), StringComparison.Ordinal);
        Assert.Contains("/none/token", faults[1].ToString(), StringComparison.Ordinal);
        Assert.Contains("is empty", faults[2].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_that_could_not_be_masked_is_refused_without_showing_it()
    {
        var configuration = Read("""
            secrets: [{name: A, env: SHORT}, {name: B, env: COMMON}, {name: C, env: GOOD}]
            webhooks: [{name: hook, secret: {env: SHORT}, request: {prompt: p}}]
            backend: {direct: {environment: [{name: X_TOKEN, value: {env: SHORT} }] } }
            """);

        var faults = SecretValues.Resolve(configuration, new Dictionary<string, string> { ["SHORT"] = "a1b2c", ["COMMON"] = "enabled", ["GOOD"] = "a1b2c3" }).Faults;

        Assert.Equal(["secrets.A", "secrets.B", "webhooks.hook.secret"], faults.Select(fault => fault.Key));
        Assert.Contains("shorter than 6 characters", faults[0].ToString(), StringComparison.Ordinal);
        Assert.Contains("a common word", faults[1].ToString(), StringComparison.Ordinal);
        Assert.All(faults, fault => Assert.DoesNotContain("a1b2c", fault.ToString(), StringComparison.Ordinal));
    }

    private static OzfConfiguration Read(string text)
    {
        var read = ConfigurationReader.Read(text);
        Assert.Empty(read.Faults);
        return read.Configuration!;
    }

    private string Write(string name, ReadOnlySpan<byte> bytes)
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
