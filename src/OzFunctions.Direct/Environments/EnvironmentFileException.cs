namespace OzFunctions.Direct.Environments;

/// <summary>The file that setup wrote cannot be read. Names line and rule, never a value.</summary>
internal sealed class EnvironmentFileException(int line, string rule) : Exception($"The environment file is wrong in line {line}: {rule}.")
{
    public int Line { get; } = line;
}
