using System.Text.Json;
using OzFunctions.Bench;

// dotnet run -c Release --project bench/OzFunctions.Bench [-- --quick] [-- --json FILE]: every figure with its ratio to a floor measured in the same run.
var quick = args.Contains("--quick");
var jsonFile = args.SkipWhile(argument => argument != "--json").Skip(1).FirstOrDefault();
using var place = new BenchPlace();
var report = new Report();

var floors = Floors.Measure(place, report);
await Latencies.MeasureAsync(place, report, floors, quick ? 40 : 200);
foreach (var slots in (int[])[1, 2, 8])
{
    await Throughput.MeasureAsync(place, report, floors, slots, quick ? 60 : 300);
}

MaskSpeed.Measure(report, quick ? 256L << 20 : 1L << 30);
await LogSpeed.MeasureAsync(place, report, quick ? 128L << 20 : 1L << 30);
await LineDelay.MeasureAsync(place, report, quick ? 60 : 250);
await HostCost.MeasureAsync(place, report, quick ? TimeSpan.FromSeconds(5) : TimeSpan.FromSeconds(20));
await Listing.MeasureAsync(place, report, 10_000);
await DurableWrites.MeasureAsync(place, report, floors);

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
