namespace Stint.Backends.Upstream;

/// <summary>What came over a connection is no HTTP/1.1 answer, or one that cannot be passed on. The message continues "the function's answer ".</summary>
internal sealed class BadAnswerException(string message) : Exception(message);
