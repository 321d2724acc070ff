using Azure.Monitor.OpenTelemetry.Exporter;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Azure.Functions.Worker.OpenTelemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using OzFunctions.FunctionApp;
using OzFunctions.Http;
using OzFunctions.Telemetry;

var builder = FunctionsApplication.CreateBuilder(args);
builder.ConfigureFunctionsWebApplication();
builder.Services.AddOzFunctions(builder.Configuration);

var telemetry = builder.Services.AddOpenTelemetry().UseFunctionsWorkerDefaults()
    .WithTracing(tracing => tracing.AddSource(OzTelemetry.Name))
    .WithMetrics(metrics => metrics.AddMeter(OzTelemetry.Name));
if (AppSettings.Find(builder.Configuration, SettingNames.ApplicationInsights) is not null)
{
    // Of traces the exporter keeps five a second. Lines of the log are what alerts read (infra/modules/alerts.bicep), and none of them may go with its trace.
    telemetry.UseAzureMonitorExporter(options => options.EnableTraceBasedLogsSampler = false);
}

var app = builder.Build();

// A fault of the settings ends the app here, before a trigger takes a message and spends its deliveries.
app.Services.GetRequiredService<FrontDoor>();
await app.RunAsync();
