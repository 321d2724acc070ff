namespace OzFunctions.Shim.Protocol;

/// <summary>
/// Kinds of messages between host and shim. A message is <c>u32 length of the rest | u8 kind | u32 id | payload</c>, little endian; an answer carries the id of its
/// question, what the shim says on its own carries 0. Numbers are appended to, never changed.
/// </summary>
internal enum ShimMessage : byte
{
    /// <summary>Host, once, on the shim's standard input: version, lease, spool size, teardown, limits, user.</summary>
    Launch = 1,

    /// <summary>Host: version. First message of a connection that was accepted.</summary>
    Hello = 2,

    /// <summary>Host: a command.</summary>
    Start = 3,

    /// <summary>Host: cause, grace.</summary>
    Stop = 4,

    /// <summary>Host: new deadline.</summary>
    Renew = 5,

    /// <summary>Host: no more commands.</summary>
    End = 6,

    /// <summary>Never between host and shim: from the shim to the process that becomes a command.</summary>
    Enter = 7,

    /// <summary>Shim: the question was taken; the status after it.</summary>
    Taken = 16,

    /// <summary>Shim: the question was refused; a sentence.</summary>
    Refused = 17,

    /// <summary>Shim: the status, first thing on every connection and after each change.</summary>
    Status = 18,

    /// <summary>Shim: where the spool ends now.</summary>
    Grew = 19,
}
