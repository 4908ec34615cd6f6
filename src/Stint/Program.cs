using Stint.Cli;

// The daemon is not part of this executable yet: whoever builds it replaces this delegate.
return await CommandLine.RunAsync(args, (_, _, _) => throw new CliException("this build has no daemon."));
