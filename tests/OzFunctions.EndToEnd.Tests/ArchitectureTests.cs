using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using OzFunctions.Protocol;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>The borders that docs/architecture.md draws, read from projects, assemblies and sources.</summary>
public sealed partial class ArchitectureTests
{
    private const string Prefix = "OzFunctions.";

    /// <summary>Who may reference whom. A project that is not here has no place in the picture yet.</summary>
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Core"] = [],
        ["Shim.Protocol"] = [],
        ["Shim"] = ["Shim.Protocol"],
        ["Direct"] = ["Core", "Shim.Protocol"],
        ["Files"] = ["Core"],
        ["AzureStorage"] = ["Core"],
        ["Http"] = ["Core"],
        ["ServiceBus"] = ["Core"],
        ["Configuration"] = ["Core", "Shim.Protocol"],
        ["Cli"] = ["Core", "Shim.Protocol", "Shim", "Direct", "Files", "AzureStorage", "Http", "Configuration"],
        ["FunctionApp"] = ["Core", "Http", "AzureStorage", "ServiceBus", "Configuration"],
    };

    private static readonly string Root = Repository.Root;

    public static TheoryData<string> Projects =>
        [.. Written("*.csproj").Select(path => Path.GetFileNameWithoutExtension(path)[Prefix.Length..]).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_its_arrows_allow(string project)
    {
        Assert.True(Arrows.TryGetValue(project, out var allowed), $"{project} is not in the picture: add it to {nameof(Arrows)} and to docs/architecture.md.");

        var referenced = Elements(project, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))[Prefix.Length..]);

        Assert.Empty(referenced.Except(allowed));
    }

    [Theory]
    [InlineData("Core")]
    [InlineData("Shim.Protocol")]
    [InlineData("Direct")]
    [InlineData("Files")]
    public void An_assembly_uses_only_what_its_arrows_allow(string project)
    {
        var used = References(project).Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Select(name => name[Prefix.Length..]);

        Assert.Empty(used.Except(Arrows[project]));
    }

    [Fact]
    public void Core_uses_the_base_library_and_abstractions_only()
    {
        Assert.All(References("Core"), name => Assert.True(IsBase(name) || IsAbstraction(name), name));
        Assert.All(Elements("Core", "PackageReference"), name => Assert.True(IsAbstraction(name), name));
        Assert.Empty(Elements("Core", "FrameworkReference"));
    }

    [Theory]
    [InlineData("Shim")]
    [InlineData("Shim.Protocol")]
    public void The_shim_needs_the_base_library_only(string project) => Assert.Empty(Elements(project, "PackageReference"));

    [Theory]
    [InlineData("Core")]
    [InlineData("Direct")]
    public void The_folders_of_a_project_are_those_that_its_row_names(string project)
    {
        var place = Path.Combine(Root, "src", Prefix + project);
        var row = File.ReadLines(Path.Combine(Root, "docs", "architecture.md")).Single(line => line.StartsWith($"| `src/{Prefix}{project}` |", StringComparison.Ordinal));
        var named = QuotedName().Matches(row[(row.IndexOf('|', 1) + 1)..]).Select(match => match.Groups[1].Value).ToHashSet(StringComparer.Ordinal);

        var folders = Directory.EnumerateDirectories(place).Select(folder => Path.GetFileName(folder)!).Except(["bin", "obj"]).ToList();

        // A name may also be that of a folder further down, or of a file beside the folders.
        var there = Directory.EnumerateDirectories(place, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Concat(Directory.EnumerateFiles(place, "*.cs").Select(Path.GetFileNameWithoutExtension));
        Assert.Empty(folders.Except(named));
        Assert.Empty(named.Except(there!));
    }

    [Fact]
    public void No_project_compiles_files_of_another() =>
        Assert.All(
            Written("*.csproj").SelectMany(path => XDocument.Load(path).Descendants("Compile").Select(item => (string?)item.Attribute("Include") ?? "")),
            file => Assert.DoesNotContain("..", file, StringComparison.Ordinal));

    [Fact]
    public void Every_step_of_the_protocol_is_in_its_document()
    {
        var document = File.ReadAllText(Path.Combine(Root, "docs", "protocol.md"));

        Assert.All(Enum.GetNames<ProtocolStep>(), step => Assert.Contains($"**{step}**", document, StringComparison.Ordinal));
    }

    [Fact]
    public void No_name_says_manager_helper_util_or_impl()
    {
        var names = Sources().SelectMany(source => TypeName().Matches(source.Text).Select(match => match.Groups[1].Value)).ToList();

        Assert.Contains(nameof(ProtocolStep), names);
        Assert.All(names, name => Assert.DoesNotMatch(EmptyName(), name));
    }

    [Fact]
    public void Only_run_records_writes_records()
    {
        var writers = Sources()
            .Where(source => NamesRecords().IsMatch(source.Text) && Writes().IsMatch(source.Text))
            .Select(source => Path.GetFileName(source.Path));

        Assert.Equal(["RunRecords.cs"], writers);
    }

    private static bool IsBase(string name) =>
        name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.Win32.", StringComparison.Ordinal) || name is "System" or "netstandard" or "mscorlib";

    private static bool IsAbstraction(string name) =>
        name is "Polly.Core" or "Microsoft.Extensions.Options"
        || (name.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal) && name.EndsWith(".Abstractions", StringComparison.Ordinal) && !name.Contains("Hosting", StringComparison.Ordinal));

    private static IEnumerable<string> References(string project) =>
        Assembly.Load(new AssemblyName(Prefix + project)).GetReferencedAssemblies().Select(reference => reference.Name!);

    private static IEnumerable<string> Elements(string project, string element) =>
        XDocument.Load(Path.Combine(Root, "src", Prefix + project, $"{Prefix}{project}.csproj")).Descendants(element).Select(found => (string)found.Attribute("Include")!);

    private static IEnumerable<(string Path, string Text)> Sources() => Written("*.cs").Select(path => (path, File.ReadAllText(path)));

    /// <summary>What people wrote: a build leaves sources, and even projects, below <c>obj</c>.</summary>
    private static IEnumerable<string> Written(string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Root, "src"), pattern, SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal));

    [GeneratedRegex(@"\b(?:class|record(?: struct| class)?|struct|interface|enum) ([A-Z]\w*)")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"`([A-Z]\w*)(?:/\w+)?`")]
    private static partial Regex QuotedName();

    [GeneratedRegex("(Manager|Helpers?|Utils?|Utility|Impl)$")]
    private static partial Regex EmptyName();

    [GeneratedRegex(@"RunBlobs\.Record(?:Prefix\b|\()")]
    private static partial Regex NamesRecords();

    [GeneratedRegex(@"lobs\.(?:TryCreate|TryReplace|Put|TryAppend|Upload|TryDelete)Async\(")]
    private static partial Regex Writes();
}
