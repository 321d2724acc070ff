using Microsoft.Extensions.Logging;
namespace OzFunctions.Cli.Stores;
internal static class LocalStore
{
    public static OpenStore Open(Settings settings, TimeProvider time, ILoggerFactory loggers) => throw CommandLine.CommandException.Unavailable("none");
}
