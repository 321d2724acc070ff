using OzFunctions.Configuration;
using OzFunctions.Keys;
using OzFunctions.Schedules;
using OzFunctions.Shim.Protocol;
using OzFunctions.Webhooks;

namespace OzFunctions.Cli.Tests.Configuration;

public sealed class ConfigurationReaderTests
{
    private const string Full = """
        worker_id: "my-worker"
        cleanup: false
        max_concurrent_tasks: 2
        idle_on_complete: 10m
        lease: 15m
        data: /srv/ozf
        public_url: https://runs.example.com/ozf/
        storage: {env: AZURE_STORAGE_CONNECTION_STRING}
        backend:
          direct:
            workspace_root: "/var/lib/oz/workspaces"
            target_dir: /srv/checkout
            oz_path: "/usr/local/bin/oz"
            setup_command: "/opt/scripts/setup.sh"
            teardown_command: |
              echo bye
              exit 0
            environment:
              - name: MY_VAR
                value: "hello"
              - name: PORT
                value: 8080
              - name: EMPTY
                value: ""
              - name: GITHUB_TOKEN
              - name: NPM_TOKEN
                value: {file: /run/secrets/npm}
            agent_environment:
              - name: WARP_API_KEY
            private_home: true
            hook_environment: inherit
            sandboxed: false
            user: runner
            keep_failed_workspaces: true
            setup_timeout: 5m
            teardown_timeout: 1m
            stop_grace: 20s
            finished_grace: 5s
            finished_pattern: '^DONE$'
            limits: {memory: 4GiB, processes: 512, cpu: 1.5, open_files: 4096, core: 0, nice: 5, oom_score_adj: 500, workspace: 10GiB, log_rate: 1MiB}
        limits:
          max_queued: 100
          queue_ttl: 2d
          disk_free: 5GiB
          inodes_free: 1000
          memory_free: 0
          log_bytes: 1MiB
          spool_bytes: 2MiB
          artifact_file_bytes: 1GB
          artifact_count: 10
          artifact_total_bytes: 4096
        secrets:
          - {name: GH, env: GITHUB_TOKEN}
          - {name: npm, file: /run/secrets/npm}
        policy:
          env: [MY_*, MODE]
          max_timeout: 4h
          senders: [ci@example.com]
          concurrency: 2
        events:
          - {name: local, queue: oz-events}
          - {name: hook, url: https://hooks.example.com/oz, secret: {env: HOOK_SECRET}, kinds: [queued, completed]}
          - {name: shell, command: cat >>/tmp/x}
        schedules:
          - name: nightly
            cron: '0 6 * * 1-5'
            time_zone: Europe/Berlin
            overlap: queue
            missed: all
            missed_window: 6h
            request: {prompt: Update the dependencies, timeout: 90m, priority: 1, env: {MODE: "on"}}
        webhooks:
          - name: issues
            kind: github
            secret: {env: WEBHOOK_SECRET}
            events: [issues]
            request:
              prompt: "Look at {{issue.title}}"
              concurrency_key: "{{issue.number}}"
        api_keys:
          - {name: ci, env: CI_KEY}
          - {name: dashboards, sha256: 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08, scopes: [read]}
        """;

    [Fact]
    public void Every_key_is_read()
    {
        var read = ConfigurationReader.Read(Full);

        Assert.Empty(read.Faults);
        var configuration = read.Configuration!;
        Assert.Equal(("my-worker", false, 2, TimeSpan.FromMinutes(10)), (configuration.WorkerId, configuration.Cleanup, configuration.MaxConcurrentTasks!.Value, configuration.IdleOnComplete));
        Assert.Equal(("/srv/ozf", "https://runs.example.com/ozf", "AZURE_STORAGE_CONNECTION_STRING"), (configuration.Data, configuration.PublicUrl, configuration.Storage!.Connection!.Env));
        Assert.Equal(
            [new("MY_VAR", "hello"), new("PORT", "8080"), new("EMPTY", ""), new("GITHUB_TOKEN", null), new("NPM_TOKEN", null, SecretSource.FromFile("/run/secrets/npm"))],
            configuration.Direct.Environment);
        Assert.Equal("echo bye\nexit 0\n", configuration.Direct.TeardownCommand);
        Assert.Equal((TimeSpan.FromSeconds(20), true, false, "^DONE$"), (configuration.Direct.StopGrace, configuration.Direct.InheritHookEnvironment, configuration.Direct.Sandboxed, configuration.Direct.FinishedPattern));
        Assert.Equal(new ShimLimits { Memory = 4L << 30, Processes = 512, Cpu = 1.5, OpenFiles = 4096, Core = 0, Nice = 5, OomScoreAdj = 500, Workspace = 10L << 30, LogRate = 1 << 20 }, configuration.Direct.Limits);
        Assert.Equal(
            new LimitsConfiguration { MaxQueued = 100, QueueTtl = TimeSpan.FromDays(2), DiskFree = 5L << 30, InodesFree = 1000, MemoryFree = 0, LogBytes = 1 << 20, SpoolBytes = 2 << 20, ArtifactFileBytes = 1_000_000_000, ArtifactCount = 10, ArtifactTotalBytes = 4096 },
            configuration.Limits);
        Assert.Equal([new("GH", SecretSource.FromEnv("GITHUB_TOKEN")), new("npm", SecretSource.FromFile("/run/secrets/npm"))], configuration.Secrets);
        Assert.Equal((2, TimeSpan.FromHours(4)), (configuration.Policy.Concurrency, configuration.Policy.MaxTimeout));
        Assert.Equal(["local", "hook", "shell"], configuration.Events.Select(publisher => publisher.Name));
        var schedule = Assert.Single(configuration.Schedules);
        Assert.Equal(("0 6 * * 1-5", "Europe/Berlin", "Update the dependencies", TimeSpan.FromMinutes(90)), (schedule.Definition.Cron, schedule.Definition.TimeZone, schedule.Definition.Request.Prompt, schedule.Definition.Request.Timeout!.Value));
        Assert.Equal((ScheduleOverlap.Queue, MissedRuns.All, TimeSpan.FromHours(6)), (schedule.Definition.Overlap, schedule.Definition.Missed, schedule.Definition.MissedWindow));
        Assert.Equal(WebhookKind.GitHub, Assert.Single(configuration.Webhooks).Kind);
        Assert.Equal(
            [
                new() { Name = "ci", Source = SecretSource.FromEnv("CI_KEY"), Scopes = KeyScopes.Submit | KeyScopes.Read | KeyScopes.Cancel },
                new() { Name = "dashboards", Sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Scopes = KeyScopes.Read },
            ],
            configuration.ApiKeys);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing yet\n")]
    [InlineData("---\n")]
    [InlineData("backend:\n  direct:\n")]
    [InlineData("events: [{name: oz-events, queue: oz-events, kinds: [started]}, {name: a, queue: oz-events}]")]
    public void A_file_that_says_nothing_is_fine(string text)
    {
        var read = ConfigurationReader.Read(text);

        Assert.Empty(read.Faults);
        Assert.True(read.Configuration!.Cleanup);
        Assert.Null(read.Configuration.WorkerId);
        Assert.Equal(TimeSpan.FromDays(7), read.Configuration.Limits.QueueTtl);
    }

    [Theory]
    [InlineData("10m", 600_000)]
    [InlineData("10min", 600_000)]
    [InlineData("1h 30m", 5_400_000)]
    [InlineData("2 hours", 7_200_000)]
    [InlineData("1hour 2minutes 5seconds 10msec", 3_725_010)]
    [InlineData("30s 1m", 90_000)]
    [InlineData("2weeks", 1_209_600_000)]
    [InlineData("1500us", 1)]
    [InlineData("0", 0)]
    public void The_time_to_stay_is_read_as_the_vendors_agent_reads_it(string text, long milliseconds)
    {
        var read = ConfigurationReader.Read($"idle_on_complete: {text}");

        Assert.Empty(read.Faults);
        Assert.Equal(milliseconds, (long)read.Configuration!.IdleOnComplete.TotalMilliseconds);
    }

    [Theory]
    [InlineData("yes", true)]
    [InlineData("On", true)]
    [InlineData("'y'", true)]
    [InlineData("no", false)]
    [InlineData("OFF", false)]
    [InlineData("False", false)]
    public void Cleanup_is_said_in_the_words_that_the_vendors_worker_takes(string word, bool cleanup)
    {
        var read = ConfigurationReader.Read($"cleanup: {word}");

        Assert.Empty(read.Faults);
        Assert.Equal(cleanup, read.Configuration!.Cleanup);
    }

    [Fact]
    public void A_key_of_the_vendors_with_nothing_in_it_is_not_given()
    {
        var read = ConfigurationReader.Read("""
            worker_id: ""
            idle_on_complete: ''
            backend: {direct: {workspace_root: '', target_dir: "", oz_path: "", setup_command: '', teardown_command: ''}}
            """);

        Assert.Empty(read.Faults);
        Assert.Equal(ConfigurationText.Show(new()), ConfigurationText.Show(read.Configuration!));
    }

    [Fact]
    public void A_negative_number_of_tasks_is_no_limit() => Assert.Equal(0, ConfigurationReader.Read("max_concurrent_tasks: -1").Configuration!.MaxConcurrentTasks);

    [Theory]
    [InlineData("worker_id: a\nworkerid: b", "workerid", 2, "did you mean 'worker_id'?")]
    [InlineData("worker_id: warp-1", "worker_id", 1, "reserved")]
    [InlineData("worker_id: [a]", "worker_id", 1, "must be a text")]
    [InlineData("cleanup: maybe", "cleanup", 1, "true or false")]
    [InlineData("cleanup: ''", "cleanup", 1, "true or false")]
    [InlineData("backend: {direct: {sandboxed: yes}}", "backend.direct.sandboxed", 1, "true or false")]
    [InlineData("cleanup: 'true'", "cleanup", 1, "without quotes")]
    [InlineData("max_concurrent_tasks: 1.5", "max_concurrent_tasks", 1, "must be a whole number, without quotes")]
    [InlineData("max_concurrent_tasks: two", "max_concurrent_tasks", 1, "whole number")]
    [InlineData("\nidle_on_complete: -5s", "idle_on_complete", 2, "a duration")]
    [InlineData("idle_on_complete: 5 apples", "idle_on_complete", 1, "a duration")]
    [InlineData("idle_on_complete: 5", "idle_on_complete", 1, "a duration")]
    [InlineData("idle_on_complete: 99999999999999999 weeks", "idle_on_complete", 1, "a duration")]
    [InlineData("idle_on_complete: 2 months", "idle_on_complete", 1, "from 0s to 30d")]
    [InlineData("lease: 5 minutes", "lease", 1, "a duration")]
    [InlineData("lease: 30s", "lease", 1, "from 2m to 1d")]
    [InlineData("worker_id: a\ncleanup: true\nworker_id: b", "worker_id", 3, "first in line 1")]
    [InlineData("backend:\n  docker: {}", "backend.docker", 2, "configure 'backend.direct'")]
    [InlineData("backend:\n  kubernetes:\n    namespace: x", "backend.kubernetes", 2, "remove 'kubernetes'")]
    [InlineData("backend:\n  command:\n", "backend.command", 2, "remove 'command'")]
    [InlineData("backend:\n  direct: {}\n  docker: {}", "backend", 1, "at most one backend may be configured")]
    [InlineData("backend:\n  dirct: {}", "backend.dirct", 2, "did you mean 'direct'?")]
    [InlineData("backend: direct", "backend", 1, "must be a mapping")]
    [InlineData("backend: {direct: {ozpath: x}}", "backend.direct.ozpath", 1, "did you mean 'oz_path'?")]
    [InlineData("backend: {direct: {user: ''}}", "backend.direct.user", 1, "is empty")]
    [InlineData("data: ''", "data", 1, "is empty")]
    [InlineData("backend: {direct: {hook_environment: all}}", "backend.direct.hook_environment", 1, "inherit, minimal")]
    [InlineData("backend: {direct: {finished_pattern: '('}}", "backend.direct.finished_pattern", 1, "no regular expression")]
    [InlineData("backend: {direct: {limits: {cpu: 0}}}", "backend.direct.limits.cpu", 1, "from 0.01")]
    [InlineData("backend: {direct: {limits: {memory: 4 apples}}}", "backend.direct.limits.memory", 1, "64MiB")]
    [InlineData("backend:\n  direct:\n    environment:\n      A: b", "backend.direct.environment", 3, "must be a list")]
    [InlineData("backend:\n  direct:\n    environment:\n    - value: b", "backend.direct.environment[0].name", 4, "is missing")]
    [InlineData("backend:\n  direct:\n    environment:\n    - name: A B", "backend.direct.environment[0].name", 4, "no spaces")]
    [InlineData("backend:\n  direct:\n    environment:\n    - name: A\n    - name: A", "backend.direct.environment[1].name", 5, "listed twice")]
    [InlineData("backend:\n  direct:\n    environment:\n    - name: OZ_RUN_ID", "backend.direct.environment[0].name", 4, "set by the host")]
    [InlineData("limits: {disk_free: -1}", "limits.disk_free", 1, "a number of bytes")]
    [InlineData("limits: {log_bytes: 3GiB}", "limits.log_bytes", 1, "must be at most 2GiB: a stored log takes 50,000 appends; let the agent write what is longer into $OZ_ARTIFACTS_DIR")]
    [InlineData("limits: {queue_tll: 7d}", "limits.queue_tll", 1, "did you mean 'queue_ttl'?")]
    [InlineData("policy: {env: MODE}", "policy.env", 1, "must be a list")]
    [InlineData("policy: {concurrency: 0}", "policy.concurrency", 1, "from 1")]
    [InlineData("public_url: runs.example.com", "public_url", 1, "must be an address")]
    [InlineData("secrets: [{env: X}]", "secrets[0].name", 1, "is missing")]
    [InlineData("secrets: [{name: a}]", "secrets[0]", 1, "exactly one of")]
    [InlineData("secrets: [{name: a, env: X, file: /y}]", "secrets[0]", 1, "exactly one of")]
    [InlineData("secrets:\n- {name: a, env: X}\n- {name: a, env: Y}", "secrets[1].name", 3, "taken")]
    [InlineData("events: [{name: a}]", "events[0]", 1, "exactly one of queue")]
    [InlineData("events: [{name: a, queue: qqq, command: c}]", "events[0]", 1, "exactly one of queue")]
    [InlineData("events: [{name: a, url: 'https://x/'}]", "events[0].secret", 1, "are signed")]
    [InlineData("events: [{name: a, queue: qqq, kinds: [complete]}]", "events[0].kinds", 1, "did you mean 'completed'?")]
    [InlineData("events: [{name: A b, queue: qqq}]", "events[0].name", 1, "lower-case")]
    [InlineData("events: [{name: oz-events, queue: qqq}]", "events[0].name", 1, "give this publisher another name, or write 'queue: oz-events'")]
    [InlineData("events: [{name: oz-events, queue: oz-events, connection: {env: X}}]", "events[0].name", 1, "the store's own queue")]
    [InlineData("events: [{name: oz-events, topic: oz-events}]", "events[0].name", 1, "the store's own queue")]
    [InlineData("events: [{name: oz-events, command: c}]", "events[0].name", 1, "the store's own queue")]
    [InlineData("events: [{name: a, queue: oz-requests}]", "events[0].queue", 1, "a queue of ours")]
    [InlineData("events: [{name: a, queue: oz-requests-poison}]", "events[0].queue", 1, "a queue of ours")]
    [InlineData("events: [{name: a, queue: oz-bell-1}]", "events[0].queue", 1, "a queue of ours")]
    [InlineData("schedules: [{name: a, request: {prompt: p}}]", "schedules[0].cron", 1, "is missing")]
    [InlineData("schedules: [{name: a, cron: '* *', request: {prompt: p}}]", "schedules[0].cron", 1, "five fields")]
    [InlineData("schedules: [{name: a, cron: '0 0 30 2 *', request: {prompt: p}}]", "schedules[0].cron", 1, "never comes")]
    [InlineData("schedules: [{name: a, cron: '@daily', overlap: replace, request: {prompt: p}}]", "schedules[0].overlap", 1, "skip, queue, allow")]
    [InlineData("schedules: [{name: a, cron: '@daily', catch_up: all, request: {prompt: p}}]", "schedules[0].catch_up", 1, "is not a key")]
    [InlineData("schedules: [{name: a, cron: '@daily', missed_window: 1y, request: {prompt: p}}]", "schedules[0].missed_window", 1, "a duration")]
    [InlineData("schedules: [{name: a, cron: '@daily', request: {prompt: p, idempotency_key: k}}]", "schedules[0].request.idempotency_key", 1, "schedule and time")]
    [InlineData("schedules: [{name: a, cron: '@daily'}]", "schedules[0].request", 1, "is missing")]
    [InlineData("schedules: [{name: a, cron: '@daily', time_zone: Mars, request: {prompt: p}}]", "schedules[0].time_zone", 1, "time zone")]
    [InlineData("schedules:\n- name: a\n  cron: '@daily'\n  request:\n    prompt: p\n    timeout: -5s", "schedules[0].request.timeout", 6, "a duration")]
    [InlineData("webhooks: [{name: a, request: {prompt: p}}]", "webhooks[0].secret", 1, "is missing")]
    [InlineData("webhooks: [{name: a, secret: {env: X}, request: {promt: p}}]", "webhooks[0].request.promt", 1, "did you mean 'prompt'?")]
    [InlineData("api_keys: [{name: local, env: A}]", "api_keys[0].name", 1, "is the name of the key file's own key")]
    [InlineData("api_keys: [{name: a, sha256: abc}]", "api_keys[0].sha256", 1, "64 hex digits")]
    [InlineData("api_keys: [{name: a, env: A, scopes: [red]}]", "api_keys[0].scopes", 1, "did you mean 'read'?")]
    [InlineData("api_keys: [{name: a}]", "api_keys[0]", 1, "needs exactly one of sha256")]
    public void A_bad_key_is_named_with_line_and_rule(string text, string key, int line, string rule)
    {
        var read = ConfigurationReader.Read(text);

        Assert.Null(read.Configuration);
        Assert.Contains(read.Faults, fault => fault.Key == key && fault.Line == line && fault.Rule.Contains(rule, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("storage: hunter2", "storage")]
    [InlineData("storage: https://x.blob.core.windows.net/?sig=hunter2", "storage")]
    [InlineData("secrets: [{name: a, value: hunter2}]", "secrets[0].value")]
    [InlineData("events: [{name: a, url: 'https://x/', secret: hunter2}]", "events[0].secret")]
    [InlineData("webhooks: [{name: a, secret: hunter2, request: {prompt: p}}]", "webhooks[0].secret")]
    [InlineData("api_keys: [{name: a, key: hunter2}]", "api_keys[0].key")]
    [InlineData("backend: {direct: {environment: [{name: MY_TOKEN, value: hunter2}]}}", "backend.direct.environment[0].value")]
    [InlineData("schedules: [{name: a, cron: '@daily', request: {prompt: p, env: {MY_TOKEN: hunter2}}}]", "schedules[0].request.env.MY_TOKEN")]
    [InlineData("api_key: hunter2", "api_key")]
    public void A_literal_secret_is_refused_and_never_shown(string text, string key)
    {
        var read = ConfigurationReader.Read(text);

        Assert.Contains(read.Faults, fault => fault.Key == key);
        Assert.All(read.Faults, fault => Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a: b\nbackend:\n\tdirect: {}", 3, "a tab indents this line")]
    [InlineData("backend:\n  direct:\n\t  user: x\n  zzz: [", 3, "a tab indents this line")]
    [InlineData("backend:\n  direct:\n    setup_command: |\n      a\n\tuser: x", 5, "a tab indents this line")]
    [InlineData("worker_id: a\n---\nworker_id: b", 2, "a second document begins here")]
    [InlineData("worker_id: 'a", 1, "is not YAML here")]
    [InlineData("worker_id: a: b", 1, "is not YAML here")]
    [InlineData("worker_id: a\nbackend: [\ncleanup: true", 2, "is not YAML here")]
    [InlineData("worker_id: a\nbackend: {\ncleanup: true", 2, "is not YAML here")]
    [InlineData("worker_id: a\n? [x]\n: y", 2, "a key must be a plain word")]
    [InlineData("- a", 1, "must be a mapping of keys")]
    [InlineData("worker_id: *x", 1, "the anchor 'x'")]
    public void What_is_no_document_is_refused_with_its_line(string text, int line, string rule)
    {
        var fault = Assert.Single(ConfigurationReader.Read(text, "ozf.yaml").Faults);

        Assert.Equal(line, fault.Line);
        Assert.Contains(rule, fault.ToString(), StringComparison.Ordinal);
        Assert.StartsWith($"ozf.yaml, line {line}: ", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_fault_is_told_at_once_in_the_order_of_the_file()
    {
        var read = ConfigurationReader.Read("zzz: 1\ncleanup: maybe\nlease: 1s\nbackend:\n  direct:\n    nope: 1\n");

        Assert.Equal([(1, "zzz"), (2, "cleanup"), (3, "lease"), (6, "backend.direct.nope")], read.Faults.Select(fault => (fault.Line!.Value, fault.Key)));
    }

    [Fact]
    public void What_is_shown_can_be_read_again()
    {
        var configuration = ConfigurationReader.Read(Full).Configuration!;

        var shown = ConfigurationText.Show(configuration);
        var again = ConfigurationReader.Read(shown);

        Assert.Empty(again.Faults);
        Assert.Equal(shown, ConfigurationText.Show(again.Configuration! with { Origins = configuration.Origins }));
        Assert.Contains("worker_id: my-worker  # file\n", shown, StringComparison.Ordinal);
        Assert.Contains("      oz_path: /usr/local/bin/oz  # file\n".TrimStart(), shown, StringComparison.Ordinal);
    }

    [Fact]
    public void Defaults_are_shown_as_defaults()
    {
        var shown = ConfigurationText.Show(new OzfConfiguration());

        Assert.Contains("cleanup: true  # default\n", shown, StringComparison.Ordinal);
        Assert.Contains("    environment: []  # default\n", shown, StringComparison.Ordinal);
        Assert.Empty(ConfigurationReader.Read(shown).Faults);
    }

    [Fact]
    public void A_tab_inside_a_command_is_part_of_it() => Assert.Equal(
        "if true; then\n\techo x\nfi\n",
        ConfigurationReader.Read("backend:\n  direct:\n    setup_command: |\n      if true; then\n      \techo x\n      fi\n    user: x\n").Configuration!.Direct.SetupCommand);

    [Fact]
    public void No_damage_to_a_file_ends_in_anything_but_faults()
    {
        var random = new Random(7);
        const string Bits = "{}[]:-#&*!|>'\"%@`,? \t\n~a0";
        for (var i = 0; i < 2_000; i++)
        {
            var damaged = Full.ToCharArray();
            for (var j = random.Next(1, 4); j > 0; j--)
            {
                damaged[random.Next(damaged.Length)] = Bits[random.Next(Bits.Length)];
            }

            var text = new string(damaged)[..random.Next(damaged.Length)];
            var read = ConfigurationReader.Read(text);
            Assert.True(read.IsValid || read.Faults.Count > 0, text);
        }
    }

    [Fact]
    public void Anchors_may_repeat_what_was_said() => Assert.Equal(
        [new("A", "x")],
        ConfigurationReader.Read("backend:\n  direct:\n    environment: &e\n    - {name: A, value: x}\n    agent_environment: *e\n").Configuration!.Direct.AgentEnvironment);
}
