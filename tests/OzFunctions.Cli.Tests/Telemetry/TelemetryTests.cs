using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Telemetry;

/// <summary>What watches a host sees of it: probes, a scraper, systemd, an OTLP collector, a reader of its log.</summary>
public sealed partial class TelemetryTests
{
    private const int Limit = 600_000;

    /// <summary>For the end of a call, so that no span is given up on a machine that is busy.</summary>
    private const string Patient = "120000";

    private static readonly HttpClient Http = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string Root => Path.GetFullPath("../..", TestPackages.Directory);

    [Fact(Timeout = Limit)]
    public async Task A_scrape_is_read_by_a_standard_parser()
    {
        await using var rig = new OzfProcessRig();
        var worker = rig.Start("worker", "--status-port", "0");
        var address = await AddressAsync(worker);
        Assert.Equal(7, (await rig.RunAsync("run", "--wait", "-p", "fake:exit 7")).ExitCode);
        Assert.Equal(0, (await rig.RunAsync("run", "--wait", "-p", "fake:noop")).ExitCode);

        // Who waits for a run sees its end in the store; the host counts it after that.
        var (response, scrape) = await OneMoreScrapeAsync();
        while (!scrape.Contains("oz_worker_tasks_completed_total{result=\"succeeded\"} 1\n", StringComparison.Ordinal))
        {
            (response, scrape) = await OneMoreScrapeAsync();
        }

        Assert.Equal("text/plain", response.Content.Headers.ContentType!.MediaType);
        await TestPackages.RequireAsync(Cancellation);
        var file = Path.Combine(rig.Place, "scrape");
        await File.WriteAllTextAsync(file, scrape, Cancellation);
        var parsed = await TestProcess.RunAsync("/bin/sh", ["-c", $"node '{Path.Combine(TestPackages.Directory, "scrape.mjs")}' < '{file}'"], Cancellation);
        Assert.True(parsed.ExitCode == 0, parsed.Errors);
        var families = JsonDocument.Parse(parsed.Output).RootElement.EnumerateArray().ToDictionary(family => family.GetProperty("name").GetString()!);

        foreach (var (name, kind) in new[]
        {
            ("oz_worker_connected", "GAUGE"), ("oz_worker_tasks_active", "GAUGE"), ("oz_worker_tasks_max_concurrent", "GAUGE"), ("oz_worker_tasks_claimed_total", "COUNTER"),
            ("oz_worker_tasks_rejected_total", "COUNTER"), ("oz_worker_tasks_completed_total", "COUNTER"), ("oz_worker_task_duration_seconds", "HISTOGRAM"),
            ("oz_worker_task_failures_total", "COUNTER"), ("oz_worker_websocket_reconnects_total", "COUNTER"), ("oz_worker_info", "GAUGE"), ("ozf_queue_depth", "GAUGE"),
            ("ozf_queue_oldest_age_seconds", "GAUGE"), ("ozf_dead_letters", "GAUGE"), ("ozf_run_wait_seconds", "HISTOGRAM"), ("ozf_run_phase_seconds", "HISTOGRAM"),
            ("ozf_run_retries_total", "COUNTER"), ("ozf_disk_free_bytes", "GAUGE"), ("ozf_spool_bytes", "GAUGE"), ("ozf_leases_lost_total", "COUNTER"), ("ozf_events_published_total", "COUNTER"),
        })
        {
            Assert.Equal(kind, families[name].GetProperty("type").GetString());
        }

        Assert.Equal("1", Value(families, "oz_worker_connected"));
        Assert.Equal("4", Value(families, "oz_worker_tasks_max_concurrent"));
        Assert.Equal("2", Value(families, "oz_worker_tasks_claimed_total"));
        Assert.Equal("1", Value(families, "oz_worker_tasks_completed_total", "result", "succeeded"));
        Assert.Equal("1", Value(families, "oz_worker_tasks_completed_total", "result", "failed"));
        Assert.Equal("0", Value(families, "oz_worker_tasks_completed_total", "result", "cancelled"));
        Assert.Equal("1", Value(families, "oz_worker_task_failures_total", "reason", "agent_invocation"));
        Assert.Equal("0", Value(families, "oz_worker_task_failures_total", "reason", "host_lost"));
        Assert.Equal("2", families["ozf_run_wait_seconds"].GetProperty("metrics")[0].GetProperty("count").GetString());
        Assert.DoesNotContain("01a", string.Concat(LabelPattern().Matches(scrape).Select(match => match.Value)), StringComparison.Ordinal);
        Assert.All(DocumentedMetrics(), name => Assert.True(families.ContainsKey(name), name));

        async Task<(HttpResponseMessage Response, string Scrape)> OneMoreScrapeAsync()
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
            var answer = await Http.GetAsync(new Uri(address, "metrics"), Cancellation);
            return (answer, await answer.Content.ReadAsStringAsync(Cancellation));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Readiness_says_why_not_and_health_goes_on()
    {
        await using var rig = new OzfProcessRig();
        var worker = rig.Start("worker", "--status-port", "0");
        var address = await AddressAsync(worker);
        Assert.Equal(0, (await rig.RunAsync("run", "--wait", "-p", "fake:noop")).ExitCode);
        Assert.Equal(HttpStatusCode.OK, (await Http.GetAsync(new Uri(address, "readyz"), Cancellation)).StatusCode);

        Assert.Equal(0, (await rig.RunAsync("workers", "pause", "local")).ExitCode);
        var id = await rig.SubmitAsync("noop");
        HttpResponseMessage answer;
        do
        {
            // The pause is noticed with the next listing; what is waited for is the answer, not a time.
            answer = await Http.GetAsync(new Uri(address, "readyz"), Cancellation);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }
        while (answer.StatusCode == HttpStatusCode.OK);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("is paused", JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancellation)).RootElement.GetProperty("reasons")[0].GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await Http.GetAsync(new Uri(address, "healthz"), Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Http.GetAsync(new Uri(address, "api/v1/agent/runs"), Cancellation)).StatusCode);
        Assert.Equal("QUEUED", (await rig.GetAsync(id)).GetProperty("state").GetString());
    }

    [Fact(Timeout = Limit)]
    public async Task Systemd_is_told_that_the_host_is_ready_lives_and_stops()
    {
        await using var rig = new OzfProcessRig();
        var path = Path.Combine(rig.Place, "notify");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        var worker = rig.Start(["worker"], new() { ["NOTIFY_SOCKET"] = path, ["WATCHDOG_USEC"] = "400000" });

        Assert.Equal("READY=1", await ReceiveAsync(socket));
        Assert.Equal("WATCHDOG=1", await ReceiveAsync(socket));
        Assert.Equal("WATCHDOG=1", await ReceiveAsync(socket));
        worker.Signal(Signals.Terminate);
        while (await ReceiveAsync(socket) != "STOPPING=1")
        {
        }

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task The_unit_is_accepted_by_systemd()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "systemd-analyze is not here (Debian: apt-get install systemd)");
        using var place = new TempDirectory();
        var unit = (await File.ReadAllTextAsync(Path.Combine(Root, "infra/systemd/ozf-worker.service"), Cancellation))
            .Replace("/usr/local/bin/ozf", Path.Combine(AppContext.BaseDirectory, "ozf"), StringComparison.Ordinal);
        await File.WriteAllTextAsync(place["ozf-worker.service"], unit, Cancellation);

        var verdict = await TestProcess.RunAsync("/usr/bin/systemd-analyze", ["verify", "--man=no", place["ozf-worker.service"]], Cancellation);

        Assert.True(verdict.ExitCode == 0, verdict.Errors);

        // An older systemd does not know one line, as the unit says, and goes on without it.
        var complaints = verdict.Errors.Split('\n').Where(line => !line.Contains("'DelegateSubgroup'", StringComparison.Ordinal));
        Assert.DoesNotContain(complaints, line => line.Contains("ozf-worker.service", StringComparison.Ordinal));
        foreach (var line in (string[])["Type=notify", "WatchdogSec=", "KillMode=process", "--on-sigterm detach", "PrivateTmp=no", "RuntimeDirectoryPreserve=yes", "Delegate=yes", "DelegateSubgroup=host", "LoadCredential=", "User=ozf"])
        {
            Assert.Contains(line, unit, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_units_own_steps_make_all_that_it_needs()
    {
        var text = File.ReadAllText(Path.Combine(Root, "infra/systemd/ozf-worker.service"));
        var steps = text[..text.IndexOf("[Unit]", StringComparison.Ordinal)];
        string Value(string key) => text.Split('\n').Single(line => line.StartsWith(key + "=", StringComparison.Ordinal))[(key.Length + 1)..];

        Assert.Contains($"useradd --system --home-dir /var/lib/ozf --shell /usr/sbin/nologin {Value("User")}\n", steps, StringComparison.Ordinal);
        Assert.All(Value("ExecStart").Split(' ').Where(word => word.StartsWith('/')), path => Assert.Contains(path, steps, StringComparison.Ordinal));
        var credential = Value("LoadCredential").Split(':');
        Assert.Contains($"install -D -m 0600 KEYFILE {credential[1]}", steps, StringComparison.Ordinal);
        Assert.Contains($"/run/credentials/ozf-worker.service/{credential[0]}", steps, StringComparison.Ordinal);
        Assert.Contains("remove the line LoadCredential=", steps, StringComparison.Ordinal);
    }

    [Fact]
    public void Alert_and_dashboard_count_the_same_hosts_as_saturated()
    {
        const string OfHostsWithALimit = "sum(oz_worker_tasks_active and on(job, instance) (oz_worker_tasks_max_concurrent > 0)) / sum(oz_worker_tasks_max_concurrent > 0)";

        Assert.Contains($"expr: {OfHostsWithALimit} > 0.9\n", File.ReadAllText(Path.Combine(Root, "infra/prometheus/ozf-alerts.yaml")), StringComparison.Ordinal);
        Assert.Contains($"\"expr\": \"{OfHostsWithALimit}\"", File.ReadAllText(Path.Combine(Root, "infra/grafana/ozfunctions.json")), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task The_units_command_line_restarted_leaves_the_agent_alive()
    {
        await using var rig = new OzfProcessRig();
        var unit = await File.ReadAllLinesAsync(Path.Combine(Root, "infra/systemd/ozf-worker.service"), Cancellation);
        var line = unit.Single(text => text.StartsWith("ExecStart=", StringComparison.Ordinal)).Split(' ')[1..];
        string[] arguments = [.. line.Select(word => word switch { "/etc/ozf/ozf.yaml" => Path.Combine(rig.Place, "ozf.yaml"), "127.0.0.1:9465" => "0", _ => word })];
        var release = Path.Combine(rig.Place, "release");
        var first = rig.Start(arguments);
        var waiting = rig.Start("run", "--wait", "-p", $"fake:say before; wait-file {release}; say after");
        await waiting.WaitForLineAsync("before", Cancellation);

        first.Signal(Signals.Terminate);
        Assert.Equal(0, await first.WaitForExitAsync(Cancellation));
        rig.Start(arguments);
        await File.WriteAllTextAsync(release, "", Cancellation);

        Assert.Equal(0, await waiting.WaitForExitAsync(Cancellation));
        Assert.Equal(1, (await rig.GetAsync(waiting.Output[0])).GetProperty("attempt").GetInt32());
    }

    [Fact(Timeout = Limit)]
    public async Task Metrics_and_one_trace_go_to_a_collector_that_the_standard_variables_name()
    {
        await using var rig = new OzfProcessRig();
        await using var collector = new OtlpCollector();
        var environment = new Dictionary<string, string?>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address.ToString(),
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
        };
        var worker = rig.Start(["worker"], environment);
        Assert.Equal(0, (await rig.RunAsync("run", "--wait", "-p", "fake:noop")).ExitCode);
        var run = await Unmanaged.ExecRig.LastRunAsync(rig);
        var trace = run.GetProperty("traceparent").GetString()!.Split('-')[1];

        var metrics = await collector.WaitAsync("/v1/metrics", "oz_worker_tasks_claimed_total", Cancellation);
        var spans = await collector.WaitAsync("/v1/traces", "ozf.run", Cancellation);

        Assert.Contains("oz-agent-worker", metrics, StringComparison.Ordinal);

        // A name stands behind its length, as protobuf writes it. Histograms come with their first value.
        Assert.All(DocumentedMetrics().Where(name => name.EndsWith("_total", StringComparison.Ordinal)), name => Assert.Contains((char)name.Length + name, metrics, StringComparison.Ordinal));
        Assert.Contains(Encoding.Latin1.GetString(Convert.FromHexString(trace)), spans, StringComparison.Ordinal);
        Assert.Equal(run.GetProperty("traceparent").GetString(), run.GetProperty("event").GetProperty("traceparent").GetString());
        worker.Signal(Signals.Terminate);
        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task An_exec_is_part_of_its_callers_trace_and_each_signal_may_have_its_own_address()
    {
        await using var rig = new OzfProcessRig();
        await using var collector = new OtlpCollector();
        const string Trace = "0af7651916cd43dd8448eb211c80319c";

        var exec = rig.Start(
            ["exec", "--agent-command", "sh -c 'exit 3'"],
            new() { ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = new Uri(collector.Address, "own/traces").ToString(), ["OTEL_BSP_EXPORT_TIMEOUT"] = Patient, ["TRACEPARENT"] = $"00-{Trace}-b7ad6b7169203331-01" });

        Assert.Equal(3, await exec.WaitForExitAsync(Cancellation));
        Assert.Equal([], exec.Errors);
        List<OtlpSpan> spans;
        do
        {
            spans = [.. OtlpSpan.Read(await collector.NextAsync("/own/traces", Cancellation))];
        }
        while (spans.All(span => span.Name != "ozf.run"));

        Assert.Equal((Trace, "b7ad6b7169203331"), spans.Where(span => span.Name == "ozf.run").Select(span => (span.TraceId, span.ParentId)).Single());
    }

    [Fact(Timeout = Limit)]
    public async Task A_command_that_submits_is_part_of_its_callers_trace_and_so_is_all_that_comes_of_it()
    {
        await using var rig = new OzfProcessRig();
        await using var collector = new OtlpCollector();
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        var variables = new Dictionary<string, string?> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address.ToString(), ["OTEL_BSP_SCHEDULE_DELAY"] = "200", ["OTEL_BSP_EXPORT_TIMEOUT"] = Patient, ["TRACEPARENT"] = $"00-{Trace}-b7ad6b7169203331-01" };
        var up = rig.Start(["up", "--port", "0", "--output", "json"], new(variables));
        var door = JsonDocument.Parse(await up.WaitForLineAsync("key_file", Cancellation)).RootElement;

        var here = rig.Start(["run", "--wait", "-p", "fake:noop"], new(variables));
        Assert.Equal(0, await here.WaitForExitAsync(Cancellation));
        var there = rig.Start(["run", "--wait", "-p", "fake:noop", "--server", door.GetProperty("url").GetString()!, "--key-file", door.GetProperty("key_file").GetString()!], new(variables));
        Assert.Equal(0, await there.WaitForExitAsync(Cancellation));

        List<OtlpSpan> spans;
        do
        {
            spans = [.. OtlpSpan.Read(await collector.NextAsync("/v1/traces", Cancellation))];
        }
        while (spans.All(span => span.Name != "ozf.call") || new[] { "ozf.submit", "ozf.run", "ozf.publish" }.Any(name => spans.Count(span => span.Name == name) < 2));

        Assert.All(spans, span => Assert.Equal(Trace, span.TraceId));
        var call = Assert.Single(spans, span => span.Name == "ozf.call");
        var submits = spans.Where(span => span.Name == "ozf.submit").ToList();
        Assert.Equal("b7ad6b7169203331", call.ParentId);
        Assert.Equal(new[] { "b7ad6b7169203331", call.SpanId }.Order(StringComparer.Ordinal), submits.Select(span => span.ParentId).Order(StringComparer.Ordinal));
        foreach (var name in (string[])["ozf.run", "ozf.publish"])
        {
            Assert.Equal(submits.Select(span => span.SpanId).Order(StringComparer.Ordinal), spans.Where(span => span.Name == name).Select(span => span.ParentId).Order(StringComparer.Ordinal));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_submitted_and_sent_again_by_hand_has_its_spans_too()
    {
        await using var rig = new OzfProcessRig();
        await using var collector = new OtlpCollector();
        Assert.Equal(0, (await rig.RunAsync("exec", "--agent-command", "true")).ExitCode);
        var id = (await Unmanaged.ExecRig.LastRunAsync(rig)).GetProperty("run_id").GetString()!;

        foreach (var (call, span) in new (string[], string)[] { (["runs", "retry", id], "ozf.submit"), (["events", "redeliver", id], "ozf.publish") })
        {
            var command = rig.Start(call, new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address.ToString(), ["OTEL_BSP_EXPORT_TIMEOUT"] = Patient });
            Assert.Equal(0, await command.WaitForExitAsync(Cancellation));
            Assert.Contains(OtlpSpan.Read(await collector.WaitAsync("/v1/traces", span, Cancellation)), one => one.Name == span);
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData("run", "-p", "fake:noop")]
    [InlineData("exec", "--agent-command", "true")]
    public async Task A_collector_that_hangs_or_is_away_holds_no_command_and_changes_nothing_of_it(params string[] call)
    {
        await using var rig = new OzfProcessRig();
        using var hangs = new TcpListener(IPAddress.Loopback, 0);
        hangs.Start();
        var held = $"http://127.0.0.1:{((IPEndPoint)hangs.LocalEndpoint).Port}";
        await rig.RunAsync(call);

        foreach (var endpoint in (string?[])[null, held, "http://127.0.0.1:1", "no address"])
        {
            // The exporter itself gives a collector that long: a command that waits for it does not end within this test.
            var command = rig.Start(call, new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint, ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "600000", ["TRACEPARENT"] = "nonsense" });
            var code = await command.WaitForExitAsync(Cancellation);

            Assert.Equal((0, call[0] == "run" ? 1 : 0), (code, command.Output.Count));
            Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", (await Unmanaged.ExecRig.LastRunAsync(rig)).GetProperty("traceparent").GetString());
        }
    }

    [Theory]
    [InlineData(null, 2)]
    [InlineData("90000", 90)]
    [InlineData("0", 0)]
    [InlineData("-1", 2)]
    [InlineData("soon", 2)]
    [InlineData("99999999999", 2)]
    public void The_end_of_a_call_waits_two_seconds_or_what_the_standard_variable_says(string? milliseconds, int seconds)
    {
        using var ozf = new OzfRig();
        if (milliseconds is not null)
        {
            ozf.Environment["OTEL_BSP_EXPORT_TIMEOUT"] = milliseconds;
        }

        Assert.Equal(TimeSpan.FromSeconds(seconds), TelemetryExport.WaitOfCall(ozf.Surround()));
    }

    [Fact(Timeout = Limit)]
    public async Task From_the_call_to_the_event_it_is_one_trace()
    {
        await using var rig = new OzfProcessRig();
        await using var collector = new OtlpCollector();
        var up = rig.Start(["up", "--port", "0", "--output", "json"], new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address.ToString(), ["OTEL_BSP_SCHEDULE_DELAY"] = "200" });
        var door = JsonDocument.Parse(await up.WaitForLineAsync("key_file", Cancellation)).RootElement;
        const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        using var call = new HttpRequestMessage(HttpMethod.Post, door.GetProperty("url").GetString() + "/api/v1/agent/runs") { Content = new StringContent("""{"prompt":"fake:noop"}""", Encoding.UTF8, "application/json") };
        call.Headers.Authorization = new("Bearer", (await File.ReadAllTextAsync(door.GetProperty("key_file").GetString()!, Cancellation)).Trim());
        call.Headers.Add("traceparent", $"00-{Trace}-00f067aa0ba902b7-01");
        Assert.True((await Http.SendAsync(call, Cancellation)).IsSuccessStatusCode);

        // The event is sent beside the last steps of the run, whose span may end and go out after that of the sending.
        List<OtlpSpan> spans;
        do
        {
            spans = [.. OtlpSpan.Read(await collector.NextAsync("/v1/traces", Cancellation)).Where(span => span.TraceId == Trace)];
        }
        while (((string[])["ozf.publish", "ozf.run", "ozf.submit"]).Any(name => spans.All(span => span.Name != name)));

        var submit = Assert.Single(spans, span => span.Name == "ozf.submit");
        Assert.Equal("00f067aa0ba902b7", submit.ParentId);
        Assert.All(spans.Where(span => span.Name != "ozf.submit"), span => Assert.Equal(submit.SpanId, span.ParentId));
        Assert.Equal(["ozf.publish", "ozf.run", "ozf.submit"], spans.Select(span => span.Name).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task Counters_go_out_as_differences_where_the_standard_variable_asks_for_it()
    {
        await using var rig = new OzfProcessRig();
        await using var collector = new OtlpCollector();
        var worker = rig.Start(
            ["worker"],
            new()
            {
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address.ToString(),
                ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
                ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = "delta",
            });

        var metrics = await collector.WaitAsync("/v1/metrics", "oz_worker_tasks_claimed_total", Cancellation);

        // The fields aggregation_temporality (1: delta, 2: cumulative) and is_monotonic of a Sum, in whichever order.
        Assert.Matches("\u0010\u0001\u0018\u0001|\u0018\u0001\u0010\u0001", metrics);
        Assert.DoesNotMatch("\u0010\u0002\u0018\u0001|\u0018\u0001\u0010\u0002", metrics);
        worker.Signal(Signals.Terminate);
        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
    }

    [Theory(Timeout = Limit)]
    [InlineData("zipkin")]
    [InlineData("prometheus")]
    [InlineData("otlp,console")]
    public async Task An_exec_says_that_an_exporter_of_its_spans_is_not_there(string exporter)
    {
        await using var rig = new OzfProcessRig();

        var exec = rig.Start(["exec", "--agent-command", "echo worked"], new() { ["OTEL_TRACES_EXPORTER"] = exporter });

        Assert.Equal(0, await exec.WaitForExitAsync(Cancellation));
        Assert.Equal(["worked"], exec.Output);
        Assert.Contains($"OTEL_TRACES_EXPORTER: '{exporter}' is not there, otlp, none are", Assert.Single(exec.Errors), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_port_that_prometheus_variables_name_and_somebody_has_is_a_warning()
    {
        await using var rig = new OzfProcessRig();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var id = await rig.SubmitAsync("noop");

        var worker = rig.Start(["worker", "--once"], new() { ["OTEL_METRICS_EXPORTER"] = "prometheus", ["OTEL_EXPORTER_PROMETHEUS_PORT"] = port });
        var wrong = rig.Start(["worker", "--status-port", port], []);

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        Assert.Contains(worker.Errors, line => line.Contains("Metrics are not served: OTEL_EXPORTER_PROMETHEUS_HOST", StringComparison.Ordinal) && line.Contains($"127.0.0.1:{port} cannot be listened on", StringComparison.Ordinal));
        Assert.Equal("SUCCEEDED", (await rig.GetAsync(id)).GetProperty("state").GetString());
        Assert.Equal(69, await wrong.WaitForExitAsync(Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task The_hosts_log_is_json_with_run_id_and_utc_time_and_holds_no_secret_at_debug()
    {
        await using var rig = new OzfProcessRig();
        await rig.SubmitAsync("say-env MY_TOKEN", "--title", "logged");
        var worker = rig.Start(["worker", "--once", "--log-format", "json", "--log-level", "debug", "-e", "MY_TOKEN", "--server-root-url", "https://example.com"], new() { ["MY_TOKEN"] = "hunter2-hunter2", ["OTEL_TRACES_EXPORTER"] = "console", ["OTEL_METRICS_EXPORTER"] = "prometheus", ["OTEL_EXPORTER_PROMETHEUS_HOST"] = "no.address" });

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));

        var lines = worker.Errors.Select(line => JsonDocument.Parse(line, new() { AllowDuplicateProperties = false }).RootElement).ToList();
        foreach (var warning in (string[])["--server-root-url has no effect", "'console' is not there", "Metrics are not served"])
        {
            Assert.Contains(lines, line => line.GetProperty("level").GetString() == "warn" && line.GetProperty("message").GetString()!.Contains(warning, StringComparison.Ordinal));
        }

        Assert.Contains(lines, line => line.GetProperty("message").GetString()!.Contains("the run is SUCCEEDED (completed)", StringComparison.Ordinal));
        Assert.All(lines, line => Assert.EndsWith("Z", line.GetProperty("t").GetString(), StringComparison.Ordinal));
        var id = (await Unmanaged.ExecRig.LastRunAsync(rig)).GetProperty("run_id").GetString();
        Assert.Contains(lines, line => line.TryGetProperty("run_id", out var named) && named.GetString() == id);
        var audit = lines.Single(line => line.GetProperty("category").GetString() == "OzFunctions.Audit");
        Assert.Contains("MY_TOKEN", audit.GetProperty("audit").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain(worker.Errors, line => line.Contains("hunter2", StringComparison.Ordinal));
    }

    [Theory(Timeout = Limit)]
    [InlineData(64, "lease: soon\n", "worker")]
    [InlineData(64, "lease: soon\n", "up")]
    [InlineData(64, "", "worker", "--drain-timeout", "soon")]
    [InlineData(64, "", "up", "--listen", "nowhere")]
    [InlineData(64, "", "worker", "--storage", "AccountName=x")]
    [InlineData(69, "", "worker", "--status-port", "TAKEN")]
    [InlineData(69, "", "up", "--port", "TAKEN")]
    public async Task What_ends_a_host_with_a_json_log_is_json_too(int code, string configuration, params string[] call)
    {
        await using var rig = new OzfProcessRig();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await File.AppendAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), configuration, Cancellation);

        var host = rig.Start([.. call.Select(word => word == "TAKEN" ? port : word), "--log-format", "json"], []);

        Assert.Equal(code, await host.WaitForExitAsync(Cancellation));
        var lines = host.Errors.Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal("error", lines[^1].GetProperty("level").GetString());
        Assert.NotEqual("", lines[^1].GetProperty("message").GetString());
    }

    [Fact]
    public void Dashboard_and_alerts_name_metrics_that_exist()
    {
        var dashboard = JsonDocument.Parse(File.ReadAllText(Path.Combine(Root, "infra/grafana/ozfunctions.json"))).RootElement;
        var texts = dashboard.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray()).Select(target => target.GetProperty("expr").GetString()!)
            .Append(File.ReadAllText(Path.Combine(Root, "infra/prometheus/ozf-alerts.yaml")));
        var known = DocumentedMetrics().ToHashSet();

        var named = texts.SelectMany(text => MetricPattern().Matches(text).Select(match => SuffixPattern().Replace(match.Value, ""))).Distinct().ToList();
        Assert.True(named.Count > 10);
        Assert.All(named, name => Assert.Contains(name, known));
    }

    private static IEnumerable<string> DocumentedMetrics() =>
        File.ReadLines(Path.Combine(Root, "docs/telemetry.md")).Select(line => TablePattern().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value);

    private static string Value(Dictionary<string, JsonElement> families, string name, string? label = null, string? value = null) => families[name].GetProperty("metrics").EnumerateArray()
        .First(metric => label is null || metric.GetProperty("labels").GetProperty(label).GetString() == value).GetProperty("value").GetString()!;

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[256];
        return Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, Cancellation));
    }

    /// <summary>A host's log is on its standard error, which has no line to wait for.</summary>
    private static async Task<Uri> AddressAsync(TestProcess worker)
    {
        while (true)
        {
            if (worker.Errors.Select(line => AddressPattern().Match(line)).FirstOrDefault(match => match.Success) is { } match)
            {
                return new(match.Value);
            }

            Assert.False(worker.HasExited, string.Join('\n', worker.Errors));
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancellation);
        }
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+/")]
    private static partial Regex AddressPattern();

    [GeneratedRegex(@"^\| `(ozf?_\w+)`")]
    private static partial Regex TablePattern();

    [GeneratedRegex(@"\bozf?_\w+")]
    private static partial Regex MetricPattern();

    [GeneratedRegex(@"_(bucket|count|sum)$")]
    private static partial Regex SuffixPattern();

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex LabelPattern();
}
