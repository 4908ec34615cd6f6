using System.CommandLine;
using System.Globalization;
using Stint.Cluster.Identity;
using Stint.Cluster.Joining;
using Stint.Cluster.Store;
using Stint.Hosting;

namespace Stint.Cli;

/// <summary><c>stint cluster init</c> and <c>token</c>: the cluster's certificate authority, and what lets machines in.</summary>
internal static class ClusterTokenCommand
{
    private static readonly TimeSpan LongestValidity = TimeSpan.FromDays(365);

    /// <summary>Declares <c>init</c>.</summary>
    public static Command BuildInit(CliSession session)
    {
        var command = new Command("init", "Make the cluster's certificate authority, if there is none yet. A gateway does so by itself when it starts.");
        var read = DaemonFlags.AddTo(command, static setting => setting.Name is "store" or "store-key" or "state");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = StoreFlags.Load(read(parsed));
            await using var store = await ClusterStore.OpenAsync(options.Store!, cancellationToken);
            using var authority = await Office(store, options).OpenAsync(cancellationToken);
            session.Out.WriteLine($"the cluster of {options.Store} has the authority {authority.Fingerprint}");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Declares <c>token</c>.</summary>
    public static Command BuildToken(CliSession session)
    {
        var command = new Command("token", "Make a join token: with it a machine becomes a worker (stint worker --core HOST:PORT --token TOKEN). It is shown once and kept by nobody.");
        var expires = new Option<string>("--expires") { Description = "How long it lets machines in: 30m, 12h, 7d. Default 1h.", HelpName = "duration", DefaultValueFactory = static _ => "1h" };
        var uses = new Option<int?>("--uses") { Description = "How many machines it lets in; 0 = any number. Default 1.", HelpName = "number", DefaultValueFactory = static _ => 1 };
        expires.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && ParseDuration(token.Value) is null) result.AddError($"--expires wants a number and s, m, h or d, up to {LongestValidity.TotalDays} days, not '{token.Value}'.");
        });
        uses.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && !(int.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 100_000)) result.AddError($"--uses wants a number from 0 to 100000, not '{token.Value}'.");
        });
        command.Options.Add(expires);
        command.Options.Add(uses);
        var read = DaemonFlags.AddTo(command, static setting => setting.Name is "store" or "store-key" or "state");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = StoreFlags.Load(read(parsed));
            await using var store = await ClusterStore.OpenAsync(options.Store!, cancellationToken);
            // The key is only needed to make an authority.
            var fingerprint = await store.Authority.FingerprintAsync(cancellationToken);
            if (fingerprint is null)
            {
                using var authority = await Office(store, options).OpenAsync(cancellationToken);
                fingerprint = authority.Fingerprint;
            }
            var token = JoinToken.Create(fingerprint);
            await store.Authority.AddTokenAsync(token, parsed.GetValue(uses) is > 0 and var number ? number : null, ParseDuration(parsed.GetValue(expires)!)!.Value, cancellationToken);
            session.Out.WriteLine(token.Reveal());
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Reads a number with s, m, h or d behind it; null when it is none, or too long.</summary>
    public static TimeSpan? ParseDuration(string text)
    {
        if (text.Length < 2 || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0) return null;
        int? unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => null };
        return unit is { } seconds && (long)number * seconds <= LongestValidity.TotalSeconds ? TimeSpan.FromSeconds((long)number * seconds) : null;
    }

    private static CertificateOffice Office(ClusterStore store, DaemonOptions options) => new(store, async cancellationToken => await StoreKey.OpenAsync(options.StoreKey!, store, cancellationToken), TimeProvider.System);
}
