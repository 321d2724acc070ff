using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Queues;

namespace OzFunctions.Cli.Queues;

/// <summary><c>ozf queue send</c>: puts bytes on <c>oz-requests</c> as any other producer would; nothing is refused before a host takes them in.</summary>
internal static class QueueCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var file = new Option<string>("--file", "-f") { HelpName = "FILE", Description = "The message's bytes, - for stdin", Required = true };
        var send = new Command("send", "Put a message on oz-requests").With(file).Does(surroundings, async (context, cancellationToken) =>
        {
            var body = await InputFile.ReadAsync(context.Get(file)!, context.Surroundings, cancellationToken);
            await using var store = context.OpenStore();
            var messageId = await store.Requests.SendRequestAsync(body, cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("queue", store.Requests.Name);
                    json.WriteString("message_id", messageId);
                    json.WriteEndObject();
                });
            }
            else
            {
                context.Screen.Line(messageId);
            }

            return ExitCodes.Success;
        });
        return new Command("queue", "Send run requests as queue messages").With(send);
    }
}
