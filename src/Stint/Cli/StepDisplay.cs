using Spectre.Console;

namespace Stint.Cli;

/// <summary>Shows the steps of long work: one line that moves on a terminal; elsewhere a line for each kind of step, without its counts.</summary>
internal static class StepDisplay
{
    /// <summary>Runs the work.</summary>
    /// <param name="session">Where.</param>
    /// <param name="title">The first step.</param>
    /// <param name="work">The work; it is given what takes each further step, from any thread.</param>
    public static async Task<T> ShowAsync<T>(CliSession session, string title, Func<Action<string>, Task<T>> work)
    {
        var console = session.ErrorConsole();
        if (console.Profile.Capabilities.Interactive)
            return await console.Status().Spinner(Spinner.Known.Dots).StartAsync(Markup.Escape(title), status => work(step => status.Status = Markup.Escape(PrintableText.Line(step))));
        var turn = new Lock();
        var kind = "";
        return await work(step =>
        {
            // "packing 12 files: 3 of 40 MiB" and "debootstrap: Unpacking x" come many times.
            var begin = step.Split(' ')[0];
            lock (turn)
            {
                if (begin == kind) return;
                kind = begin;
                session.Error.WriteLine(PrintableText.Line(step.Split(':')[0]));
            }
        });
    }
}
