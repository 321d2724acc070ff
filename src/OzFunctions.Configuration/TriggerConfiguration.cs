using OzFunctions.Events;
using OzFunctions.Requests;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Configuration;

/// <summary>One of <c>events[]</c>: where completion events go. Exactly one of queue, topic, url and command is set.</summary>
internal sealed record EventConfiguration
{
    public required string Name { get; init; }

    public string? Queue { get; init; }

    public string? Topic { get; init; }

    public string? Url { get; init; }

    /// <summary>Run by <c>/bin/sh -c</c> with the event on its input.</summary>
    public string? Command { get; init; }

    /// <summary>Sign what is posted to <see cref="Url"/> (Standard Webhooks), the newest first; several while a receiver changes over.</summary>
    public IReadOnlyList<SecretSource> Secrets { get; init; } = [];

    /// <summary><see cref="Url"/> may lead to loopback, private and link-local addresses. Default: false.</summary>
    public bool AllowPrivate { get; init; }

    /// <summary>What <see cref="Command"/> gets beside PATH, HOME and what the event says.</summary>
    public IReadOnlyList<EnvironmentSetting> Environment { get; init; } = [];

    /// <summary>Of one try. Default: 15 seconds for a url, 1 minute for a command.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Connection of the topic or of another account's queue.</summary>
    public SecretSource? Connection { get; init; }

    /// <summary>What messages call <see cref="Connection"/>.</summary>
    public string ConnectionKey => $"events.{Name}.connection";

    /// <summary>Of queued, started and completed. Default: completed.</summary>
    public IReadOnlyList<RunEventKind> Kinds { get; init; } = [RunEventKind.Completed];
}

/// <summary>One of <c>webhooks[]</c>: a run request for each delivery that is signed rightly. Null: the default of its kind.</summary>
internal sealed record WebhookConfiguration
{
    public required string Name { get; init; }

    /// <summary>Default: Standard Webhooks.</summary>
    public WebhookKind Kind { get; init; }

    /// <summary>One, or several while one replaces another.</summary>
    public required IReadOnlyList<SecretSource> Secrets { get; init; }

    public string? Header { get; init; }

    public string? IdHeader { get; init; }

    public string? EventHeader { get; init; }

    public TimeSpan? Tolerance { get; init; }

    public TimeSpan? ReplayWindow { get; init; }

    /// <summary>Bytes. Default: 1 MiB.</summary>
    public int? MaxBody { get; init; }

    public IReadOnlyList<string>? Origins { get; init; }

    public WebhookFilterOptions Filter { get; init; } = new();

    public int? MaxQueued { get; init; }

    public bool Enabled { get; init; } = true;

    /// <summary>Null only while faults are collected.</summary>
    public RequestTemplate? Request { get; init; }
}
