using Stint.Backends.Processes.Spawning;
using Stint.Cli;
using Stint.Hosting;

// Completions of sockets run on the thread that waits for them: a call's way is short, and a hop to another thread costs more than it (bench/). Read once, before the first socket.
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");

// A shell without job control starts background commands with SIGINT ignored, and .NET leaves it so; `./stint up & … kill -INT` is to work all the same (contract tinyfaas.md, "Life cycle").
_ = Posix.signal(Posix.SigInt, 0);
return await CommandLine.RunAsync(args, Daemon.RunAsync);
