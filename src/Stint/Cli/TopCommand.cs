using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint top</c>: the functions at work, again and again.</summary>
internal static class TopCommand
{
    private const double ShortestInterval = 0.1;
    private const double LongestInterval = 3600;

    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("top", "Watch the functions at work: instances, queues, rates, durations. Ends with q or Ctrl-C.");
        var interval = new Option<double>("--interval") { Description = "Seconds between two looks, 0.1 to 3600; default 2.", HelpName = "s", DefaultValueFactory = static _ => 2 };
        interval.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && (!double.TryParse(token.Value, CultureInfo.InvariantCulture, out var seconds) || seconds is not (>= ShortestInterval and <= LongestInterval)))
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"--interval wants seconds, {ShortestInterval} to {LongestInterval}, not '{token.Value}'."));
        });
        var once = new Option<bool>("--once") { Description = "Print one interval and end." };
        command.Options.Add(interval);
        command.Options.Add(once);
        var json = JsonOption.AddTo(command, "Print one JSON object a line, in a form that stays.");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var pause = TimeSpan.FromSeconds(parsed.GetValue(interval));
            var before = await client.ReadTopAsync(cancellationToken);
            if (parsed.GetValue(once))
            {
                await Task.Delay(pause, session.Time, cancellationToken);
                Print(session, TopReport.Between(before, await client.ReadTopAsync(cancellationToken)), client, parsed.GetValue(json));
                return ExitCode.Done;
            }
            using var quit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (session is { OutputIsTerminal: true, InputIsTerminal: true }) ListenForQuit(session, quit);
            try
            {
                if (parsed.GetValue(json)) await PrintForeverAsync(session, client, before, pause, json: true, quit.Token);
                else if (session.OutputIsTerminal && session.MayColor) await WatchAsync(session, client, before, pause, quit.Token);
                else await PrintForeverAsync(session, client, before, pause, json: false, quit.Token);
            }
            catch (OperationCanceledException) when (quit.IsCancellationRequested)
            {
                // Ctrl-C and q are how watching ends.
            }
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>On a terminal. A daemon that goes away is waited for: it may be restarted.</summary>
    private static async Task WatchAsync(CliSession session, ManagementClient client, TopView first, TimeSpan pause, CancellationToken quit)
    {
        using var screen = new TopScreen(session.Out);
        var report = TopReport.Between(null, first);
        var (last, trouble) = (first, (string?)null);
        while (true)
        {
            var profile = session.OutConsole().Profile;
            var lines = TopFrame.Render(session, report, Name(client), profile.Height);
            screen.Show(trouble is null ? lines : [PrintableText.Line(trouble), .. lines], profile.Width, profile.Height);
            await Task.Delay(pause, session.Time, quit);
            try
            {
                var next = await client.ReadTopAsync(quit);
                (report, last, trouble) = (TopReport.Between(last, next), next, null);
            }
            catch (ManagementException failure) when (failure.Failure is ManagementFailure.Unreachable or ManagementFailure.Broken)
            {
                trouble = $"No answer, what follows is old: {failure.Message}";
            }
        }
    }

    /// <summary>To a file, a pipe, or a terminal that can do nothing but print: one interval after the other.</summary>
    private static async Task PrintForeverAsync(CliSession session, ManagementClient client, TopView before, TimeSpan pause, bool json, CancellationToken quit)
    {
        while (true)
        {
            await Task.Delay(pause, session.Time, quit);
            var after = await client.ReadTopAsync(quit);
            Print(session, TopReport.Between(before, after), client, json);
            if (!json) session.Out.WriteLine();
            session.Out.Flush();
            before = after;
        }
    }

    private static void Print(CliSession session, TopReport report, ManagementClient client, bool json)
    {
        if (json) session.Out.WriteLine(JsonSerializer.Serialize(report, TopJson.Default.TopReport));
        else foreach (var line in TopFrame.Render(session, report, Name(client), null)) session.Out.WriteLine(line);
    }

    /// <summary>A key can only be waited for with a thread that blocks; it ends with the process.</summary>
    private static void ListenForQuit(CliSession session, CancellationTokenSource quit)
    {
        var keys = new Thread(() =>
        {
            try
            {
                while (session.ReadKey() is not ('q' or 'Q')) { }
                quit.Cancel();
            }
            catch (Exception failure) when (failure is InvalidOperationException or IOException or ObjectDisposedException)
            {
                // The terminal is gone, or the view ended first.
            }
        }) { IsBackground = true, Name = "keys" };
        keys.Start();
    }

    private static string Name(ManagementClient client) => client.Address.GetLeftPart(UriPartial.Authority);
}
