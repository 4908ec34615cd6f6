using System.CommandLine;
using System.CommandLine.Completions;
using System.Text.Json;
using Stint.Invocations;
using Stint.Management;

namespace Stint.Cli;

/// <summary>The argument NAME: <c>name</c> or <c>name.module</c>, checked before anything is sent, completed with what is deployed.</summary>
internal static class FunctionNameArgument
{
    // A completion that keeps the user waiting is worse than none. Where no daemon runs, nobody waits at all: the connection is refused. Arbitrary: what is still taken for an answer to a key.
    private static readonly TimeSpan CompletionLimit = TimeSpan.FromSeconds(1);

    /// <summary>One name.</summary>
    public static Argument<string> One(CliSession session, bool optional = false)
    {
        var argument = new Argument<string>("name")
        {
            Description = "The function: name, or name.module.", Arity = optional ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
        };
        Prepare(argument, session);
        return argument;
    }

    /// <summary>One name or more.</summary>
    public static Argument<string[]> Many(CliSession session)
    {
        var argument = new Argument<string[]>("name") { Description = "The functions: name, or name.module.", Arity = ArgumentArity.OneOrMore };
        Prepare(argument, session);
        return argument;
    }

    private static void Prepare(Argument argument, CliSession session)
    {
        argument.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (!FunctionName.TryParse(token.Value, out _)) result.AddError($"'{token.Value}' names no function: {FunctionName.Rule}; outside the default module it is name.module.");
        });
        argument.CompletionSources.Add(_ => Deployed(session));
    }

    /// <summary>The names of a running daemon's functions; none when it does not answer at once. Synchronous, as completion sources are.</summary>
    private static List<CompletionItem> Deployed(CliSession session)
    {
        if (!ManagementClient.TryParseAddress(session.Variable("STINT_MANAGEMENT") ?? GlobalOptions.DefaultManagement, out var address)) return [];
        using var http = new HttpClient(new ConnectionFaults(new SocketsHttpHandler { UseProxy = false })) { Timeout = CompletionLimit };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, "/stint/v1/functions"));
        if (GlobalOptions.AmbientToken(session, address) is { } token) request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        try
        {
            using var answer = http.Send(request);
            if (!answer.IsSuccessStatusCode) return [];
            var list = JsonSerializer.Deserialize(answer.Content.ReadAsStream(), ManagementJson.Default.FunctionListView);
            return list!.Functions.Where(function => FunctionName.TryParse(function.FullName, out _)).Select(function => new CompletionItem(function.FullName)).ToList();
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or JsonException or IOException)
        {
            // Somebody pressed Tab: there is nobody to tell.
            return [];
        }
    }
}
