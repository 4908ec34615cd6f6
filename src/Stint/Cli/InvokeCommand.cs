using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Stint.Management;

namespace Stint.Cli;

/// <summary>
/// <c>stint invoke NAME</c>: calls a function over HTTP, as any client would. The answer's bytes pass to standard output unchanged and as they come;
/// that of a failed call goes to standard error, cleaned.
/// </summary>
internal static class InvokeCommand
{
    /// <summary>The most of an error's text that is shown, in bytes. Arbitrary: more than anyone reads.</summary>
    private const int ErrorLimit = 16 * 1024;

    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("invoke", "Call a function and print its answer. Exits with 0 when the status is 2xx, else with 1.");
        var name = FunctionNameArgument.One(session);
        var data = new Option<string>("--data", "-d") { Description = "The body: text, @FILE, or - for standard input.", HelpName = "data" };
        var method = new Option<string>("--request", "-X") { Description = "The method. Default POST.", HelpName = "method" };
        method.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !token.Value.All(char.IsAsciiLetter)) result.AddError($"--request wants a method like GET, not '{token.Value}'.");
        });
        var header = KeyValueOption.Create("--header", "K: V", "A header; may be repeated.", ':', "-H");
        var path = new Option<string>("--path") { Description = "What follows the function's name in the address.", HelpName = "/path" };
        var query = new Option<string>("--query") { Description = "The query, without its question mark.", HelpName = "query" };
        var async = new Option<bool>("--async") { Description = "Do not wait for the answer; print the call's id." };
        var include = new Option<bool>("--include", "-i") { Description = "Print status and headers before the body, also those of a failed call." };
        var endpoint = new Option<string>("--endpoint") { Description = "Where calls go, like http://localhost:8000. Default: what the daemon says.", HelpName = "url" };
        endpoint.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !ManagementClient.TryParseAddress(token.Value, out _)) result.AddError($"--endpoint wants an address like http://localhost:8000, not '{token.Value}'.");
        });
        command.Arguments.Add(name);
        foreach (var option in (Option[])[data, method, header, path, query, async, include, endpoint]) command.Options.Add(option);

        command.SetAction(async (parsed, cancellationToken) =>
        {
            var function = parsed.GetRequiredValue(name);
            var root = parsed.GetValue(endpoint) is { } given && ManagementClient.TryParseAddress(given, out var address) ? address : await FindEndpointAsync(parsed, session, globals, cancellationToken);
            using var request = new HttpRequestMessage(new HttpMethod((parsed.GetValue(method) ?? "POST").ToUpperInvariant()), Target(root, function, parsed.GetValue(path), parsed.GetValue(query)));
            request.Content = OpenBody(session, parsed.GetValue(data));
            foreach (var (key, value) in KeyValueOption.Read(parsed, header, ':')) SetHeader(request, key.Trim(), value.Trim());
            if (parsed.GetValue(async)) request.Headers.Add("X-tinyFaaS-Async", "true");
            return await CallAsync(session, function, request, parsed.GetValue(include), cancellationToken);
        });
        return command;
    }

    private static async Task<Uri> FindEndpointAsync(ParseResult parsed, CliSession session, GlobalOptions globals, CancellationToken cancellationToken)
    {
        using var client = globals.Connect(parsed, session);
        var daemon = await client.ReadDaemonAsync(cancellationToken);
        var url = daemon.Endpoints.FirstOrDefault(endpoint => endpoint.Protocol == "http")?.Url;
        if (url is null || !Uri.TryCreate(url, UriKind.Absolute, out var address))
            throw new CliException("the daemon takes no calls over HTTP (its http-port is -1). Start it with one, or name another with --endpoint.");
        // The daemon names itself as its own machine sees it; from another one it goes by the name that management was reached by.
        return address.IsLoopback && !client.Address.IsLoopback ? new UriBuilder(address) { Host = client.Address.Host }.Uri : address;
    }

    private static Uri Target(Uri root, string function, string? path, string? query)
    {
        var text = new StringBuilder(root.AbsoluteUri.TrimEnd('/')).Append('/').Append(function);
        if (!string.IsNullOrEmpty(path)) text.Append(path[0] is '/' ? "" : "/").Append(path.Replace("?", "%3F", StringComparison.Ordinal).Replace("#", "%23", StringComparison.Ordinal));
        if (!string.IsNullOrEmpty(query)) text.Append('?').Append(query.TrimStart('?').Replace("#", "%23", StringComparison.Ordinal));
        return new Uri(text.ToString());
    }

    private static HttpContent? OpenBody(CliSession session, string? data)
    {
        HttpContent? body = data switch
        {
            null => null,
            "-" => new StreamContent(session.OpenInput()),
            ['@', .. var file] => new StreamContent(File.OpenRead(session.FullPath(file))),
            _ => new ByteArrayContent(Encoding.UTF8.GetBytes(data)),
        };
        if (body is not null) body.Headers.ContentType = new MediaTypeHeaderValue(data is "-" or ['@', ..] ? "application/octet-stream" : "text/plain", data is "-" or ['@', ..] ? null : "utf-8");
        return body;
    }

    private static void SetHeader(HttpRequestMessage request, string name, string value)
    {
        // .NET keeps a body's headers apart; a Content-Type without a body has nowhere to go otherwise.
        if (name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
        {
            request.Content ??= new ByteArrayContent([]);
            request.Content.Headers.Remove(name);
            if (request.Content.Headers.TryAddWithoutValidation(name, value)) return;
        }
        else if (request.Headers.TryAddWithoutValidation(name, value))
        {
            return;
        }
        throw new CliException($"'{name}' cannot be a header's name.", ExitCode.Usage);
    }

    private static async Task<int> CallAsync(CliSession session, string function, HttpRequestMessage request, bool include, CancellationToken cancellationToken)
    {
        using var http = new HttpClient(new ConnectionFaults(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5) })) { Timeout = Timeout.InfiniteTimeSpan };
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            if (include) PrintHead(session, answer);
            if (answer.IsSuccessStatusCode || include)
            {
                await CopyAsync(session, body, cancellationToken);
                if (answer.IsSuccessStatusCode && !include && answer.StatusCode is System.Net.HttpStatusCode.Accepted && answer.Headers.TryGetValues("X-Call-Id", out var id))
                    session.Out.WriteLine(PrintableText.Line(id.First()));
                return answer.IsSuccessStatusCode ? ExitCode.Done : ExitCode.Failed;
            }
            session.Fail($"{function} answered {(int)answer.StatusCode}{Reason(answer)}: {await ReadErrorAsync(body, cancellationToken)}");
            return ExitCode.Failed;
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
        {
            throw new CliException($"nothing answers calls at {request.RequestUri!.GetLeftPart(UriPartial.Authority)}. Start a daemon with 'stint up', or name another endpoint with --endpoint.", ExitCode.Unreachable);
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException or IOException { InnerException: System.Net.Sockets.SocketException })
        {
            throw new CliException($"the call of {function} broke off: {e.Message.TrimEnd('.')}. See 'stint logs {function}'.");
        }
    }

    private static async Task CopyAsync(CliSession session, Stream body, CancellationToken cancellationToken)
    {
        await session.Out.FlushAsync(cancellationToken);
        await using var output = session.OpenOutput();
        var buffer = new byte[64 * 1024];
        // CopyToAsync would do, but for a terminal or a pipe each piece must be out before the next is awaited.
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            await output.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            await output.FlushAsync(cancellationToken);
        }
    }

    private static void PrintHead(CliSession session, HttpResponseMessage answer)
    {
        session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"HTTP/{answer.Version} {(int)answer.StatusCode}{Reason(answer)}"));
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
            foreach (var value in values) session.Out.WriteLine($"{PrintableText.Line(name)}: {PrintableText.Line(value)}");
        session.Out.WriteLine();
    }

    private static async Task<string> ReadErrorAsync(Stream body, CancellationToken cancellationToken)
    {
        var buffer = new byte[ErrorLimit];
        var count = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        var text = Encoding.UTF8.GetString(buffer, 0, count).Trim();
        return text.Length == 0 ? "(no text)" : text;
    }

    private static string Reason(HttpResponseMessage answer) => string.IsNullOrEmpty(answer.ReasonPhrase) ? "" : " " + PrintableText.Line(answer.ReasonPhrase);
}
