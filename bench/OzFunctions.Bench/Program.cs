using System.Text.Json;
using OzFunctions.Bench;

// Every figure with its ratio to a floor measured in the same run.
string[] parts = ["latency", "rate", "rate1", "rate2", "rate8", "mask", "adoption", "log", "line", "sse", "cost", "list", "schedules", "shim", "writes", "webhook", "stop", "azure", "azure-latency", "azure-artifact"];
var quick = args.Contains("--quick");
var jsonFile = ValueOf("--json");
var only = ValueOf("--only")?.Split(',');
if (FindFault() is { } fault)
{
    Console.Error.WriteLine($"{fault}\nUsage: dotnet run -c Release --project bench/OzFunctions.Bench [-- [--quick] [--json FILE] [--only PART,PART]]\nParts: {string.Join(", ", parts)}");
    return 64;
}

using var place = new BenchPlace();
var report = new Report();

var floors = Floors.Measure(place, report);
if (Wants("latency"))
{
    await Latencies.MeasureAsync(place, report, floors, quick ? 40 : 200);
}

foreach (var slots in (int[])[1, 2, 8])
{
    if (Wants("rate") || Wants($"rate{slots}"))
    {
        await Throughput.MeasureAsync(place, report, floors, slots, quick ? 60 : 300);
    }
}

if (Wants("mask"))
{
    MaskSpeed.Measure(report, quick ? 256L << 20 : 1L << 30);
}

if (Wants("adoption"))
{
    await Adoption.MeasureAsync(place, report);
}

if (Wants("log"))
{
    await LogSpeed.MeasureAsync(place, report, quick ? 128L << 20 : 512L << 20);
}

if (Wants("line"))
{
    await LineDelay.MeasureAsync(place, report, quick ? 60 : 250);
}

if (Wants("sse"))
{
    await SseDelay.MeasureAsync(place, report, quick ? 60 : 250);
}

if (Wants("cost"))
{
    await HostCost.MeasureAsync(place, report, quick ? TimeSpan.FromSeconds(5) : TimeSpan.FromSeconds(20));
}

if (Wants("list"))
{
    await Listing.MeasureAsync(place, report, 10_000);
}

if (Wants("schedules"))
{
    await ScheduleLook.MeasureAsync(place, report, 1000);
}

if (Wants("shim"))
{
    await ShimCosts.MeasureAsync(place, report, floors, quick ? 40 : 200);
}

if (Wants("writes"))
{
    await DurableWrites.MeasureAsync(place, report, floors);
}

if (Wants("webhook"))
{
    await WebhookRate.MeasureAsync(place, report, rate: 100, quick ? 500 : 2_000);
}

if (Wants("stop"))
{
    await StopEverything.MeasureAsync(place, report, 50);
}

if (Wants("azure") || Wants("azure-latency"))
{
    await AzureFigures.MeasureAsync(place, report, quick ? 30 : 100, latencyOnly: !Wants("azure"));
}

if (Wants("azure") || Wants("azure-artifact"))
{
    await AzureFigures.MeasureArtifactAsync(place, report, quick ? 256L << 20 : 1L << 30, alone: only is ["azure-artifact"]);
}

report.Print(Console.Out);
var json = JsonSerializer.Serialize(report.Rows, BenchJson.Default.IReadOnlyListRow);
if (jsonFile is null)
{
    Console.WriteLine(json);
}
else
{
    await File.WriteAllTextAsync(jsonFile, json);
}

return report.Rows.All(row => row.Met is not false) ? 0 : 1;

bool Wants(string part) => only is null || only.Contains(part);

string? ValueOf(string option) => args.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault();

// What is misspelt must not cost the minutes of a whole measurement.
string? FindFault() =>
    args.FirstOrDefault(argument => argument.StartsWith('-') && argument is not ("--quick" or "--json" or "--only")) is { } option ? $"'{option}' is no option."
    : only?.Except(parts).FirstOrDefault() is { } part ? $"'{part}' is no part."
    : null;
