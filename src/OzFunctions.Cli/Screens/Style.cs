namespace OzFunctions.Cli.Screens;

/// <summary>Colours by meaning; their codes are those every terminal knows.</summary>
internal enum Style
{
    Plain = 0,
    Strong = 1,
    Quiet = 2,
    Bad = 31,
    Good = 32,
    Warning = 33,
    Accent = 36,
}
