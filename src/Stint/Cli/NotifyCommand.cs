using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint notify NAME</c>: tells those who observe a function over CoAP that it would answer differently now.</summary>
internal static class NotifyCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("notify", "Run a function again for those who observe it over CoAP, and send them its answer.");
        var name = FunctionNameArgument.One(session);
        command.Arguments.Add(name);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var function = parsed.GetRequiredValue(name);
            var count = await client.NotifyAsync(function, cancellationToken);
            session.Out.WriteLine(count == 0 ? $"nobody observes {function}" : $"{function} runs again for {count} observed {(count == 1 ? "answer" : "answers")}");
            return ExitCode.Done;
        });
        return command;
    }
}
