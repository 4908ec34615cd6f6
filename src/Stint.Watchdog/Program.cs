using Stint.Watchdog.Hosting;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

// Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration (EX_CONFIG of sysexits.h).
var version = typeof(WatchdogHost).Assembly.GetName().Version?.ToString(3) ?? "unknown";
switch (args)
{
    case []:
        break;
    case ["-version" or "--version"]:
        Console.Out.WriteLine($"fwatchdog {version} (Stint)");
        return 0;
    case ["-run-healthcheck" or "--run-healthcheck"]:
        if (Health.HasLockFile) return 0;
        Console.Error.WriteLine($"unable to find lock file {Health.LockFile}.");
        return 1;
    default:
        Console.Error.WriteLine("usage: fwatchdog [-version | -run-healthcheck]\nEverything else is said by environment variables; fprocess is the program to run. See docs/watchdog.md.");
        return 2;
}

WatchdogLog.Write($"Version: {version} (Stint)");
var reader = new SettingsReader(Environment.GetEnvironmentVariable);
var settings = reader.Read();
foreach (var warning in reader.Warnings) WatchdogLog.Write($"Warning: {warning}");
foreach (var error in reader.Errors) WatchdogLog.Write($"fwatchdog: {error}");
return reader.Errors.Count > 0 ? 78 : new WatchdogHost(settings).Run();
