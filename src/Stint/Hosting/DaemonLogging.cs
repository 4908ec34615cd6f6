using Microsoft.Extensions.Logging.Console;

namespace Stint.Hosting;

/// <summary>The daemon's own log: on standard error, text or JSON, nothing per request.</summary>
internal static class DaemonLogging
{
    /// <summary>Configures it.</summary>
    public static void Configure(ILoggingBuilder logging, DaemonOptions options)
    {
        logging.ClearProviders();
        logging.SetMinimumLevel(options.LogLevel);
        // ASP.NET says four lines a request otherwise.
        logging.AddFilter("Microsoft", options.LogLevel > LogLevel.Warning ? options.LogLevel : LogLevel.Warning);
        // Kestrel warns at every start that it cannot choose HTTP/2 without TLS; Ingress/Http/H2cPrefix.cs chooses.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error);
        // What keeps an endpoint from starting is thrown as well, and said once, without a stack.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        logging.Services.Configure<ConsoleLoggerOptions>(static console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (options.LogFormat == LogFormat.Json)
        {
            logging.AddJsonConsole(static json => json.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ");
            logging.Services.Configure<JsonConsoleFormatterOptions>(static json => json.UseUtcTimestamp = true);
        }
        else
        {
            logging.AddSimpleConsole(static text =>
            {
                text.SingleLine = true;
                text.TimestampFormat = "yyyy-MM-dd HH:mm:ss.fff ";
                text.ColorBehavior = Console.IsErrorRedirected ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
            });
        }
    }
}
