namespace OzFunctions.Requests;

/// <summary>With whom a session is shared, and how (facts A3).</summary>
public sealed record ShareTarget
{
    private ShareTarget(string subject, bool canEdit) => (Subject, CanEdit) = (subject, canEdit);

    /// <summary><c>self</c>, <c>team</c>, <c>public</c> or an address.</summary>
    public string Subject { get; }

    public bool CanEdit { get; }

    /// <summary>Sharing with oneself only: the bare flag.</summary>
    public bool IsSelf => Subject == "self";

    /// <summary>The flag as the CLI takes it; with <c>=</c>, so that it never eats the next word (facts A3.1).</summary>
    public string Argument => IsSelf ? "--share" : $"--share={this}";

    public static bool TryParse(string? text, out ShareTarget target) => (target = Parse(text, out _)!) is not null;

    /// <summary>The target, or null and what is wrong with the text.</summary>
    public static ShareTarget? Parse(string? text, out string? fault)
    {
        fault = null;
        text ??= "";
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var subject = colon < 0 ? text : text[..colon];
        var level = colon < 0 ? "view" : text[(colon + 1)..];
        if (subject.Length == 0)
        {
            subject = "self";
        }

        if (subject is not ("self" or "team" or "public") && !IsAddress(subject))
        {
            fault = $"Cannot share with '{FaultValue.Shorten(subject)}'. Expected 'team', 'public', or an email address ('self' shares with yourself only)";
            return null;
        }

        if (level is not ("view" or "edit"))
        {
            fault = $"the level after ':' is 'view' or 'edit', as in '{FaultValue.Shorten(subject)}:edit'";
            return null;
        }

        return new ShareTarget(subject, level == "edit" && subject != "self");
    }

    /// <summary>The canonical form: <c>self</c>, <c>team:view</c>, <c>a@b:edit</c>.</summary>
    public override string ToString() => IsSelf ? Subject : $"{Subject}:{(CanEdit ? "edit" : "view")}";

    private static bool IsAddress(string text)
    {
        var at = text.LastIndexOf('@');
        return at > 0 && at < text.Length - 1 && text.Length <= 254 && !text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c == ',');
    }
}
