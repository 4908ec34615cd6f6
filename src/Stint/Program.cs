using Stint.Backends.Processes.Spawning;
using Stint.Cli;
using Stint.Hosting;

// Read once, before the first socket. Completions of sockets run on the thread that waits for them: a call's way is short, and a hop to another thread costs more than it. One such thread for
// four cores: on a small machine two of them compete with the functions for the processor, and p99 at 8 connections is ten times higher (docs/decisions/0007-inline.md).
SetDefault("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
SetDefault("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Math.Max(1, Environment.ProcessorCount / 4).ToString(System.Globalization.CultureInfo.InvariantCulture));

// A shell without job control starts background commands with SIGINT ignored, and .NET leaves it so; `./stint up & … kill -INT` is to work all the same (contract tinyfaas.md, "Life cycle").
_ = Posix.signal(Posix.SigInt, 0);
return await CommandLine.RunAsync(args, Daemon.RunAsync);

static void SetDefault(string name, string value)
{
    if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name))) Environment.SetEnvironmentVariable(name, value);
}
