using OzFunctions.Events;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Configuration;

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

    /// <summary>Of queued, started and completed. Default: completed.</summary>
    public IReadOnlyList<RunEventKind> Kinds { get; init; } = [RunEventKind.Completed];
}

/// <summary>One of <c>webhooks[]</c>: a run request for each delivery that is signed rightly.</summary>
internal sealed record WebhookConfiguration
{
    public required string Name { get; init; }

    /// <summary><c>standard</c> (Standard Webhooks), <c>github</c>, <c>hmac</c> or <c>bearer</c>. Default: standard.</summary>
    public string Kind { get; init; } = "standard";

    public required SecretSource Secret { get; init; }

    /// <summary>Header of the signature or token, where the kind leaves it open.</summary>
    public string? Header { get; init; }

    /// <summary>Event names that start a run; null: all.</summary>
    public IReadOnlyList<string>? Events { get; init; }

    /// <summary>Who may set it off; null: anybody with the secret.</summary>
    public IReadOnlyList<string>? Senders { get; init; }

    public bool Enabled { get; init; } = true;

    /// <summary>The request as JSON; its texts may hold templates, <c>{{path}}</c>, so it is checked again for each delivery.</summary>
    public required ReadOnlyMemory<byte> Request { get; init; }
}
