using Google.Protobuf.Reflection;
using Stint.Ingress.Grpc.Wire;

namespace Stint.Ingress.Grpc;

/// <summary>A method of a service.</summary>
/// <param name="Name">As in its .proto.</param>
/// <param name="RunAsync">Reads the request, writes the response, says how it ended. May throw what <see cref="GrpcIngress"/> lists.</param>
/// <param name="IsLongLived">The client sends when it pleases, for as long as it pleases: no least rate is asked of its requests.</param>
internal sealed record GrpcMethod(string Name, Func<GrpcCall, Task<GrpcStatus>> RunAsync, bool IsLongLived = false);

/// <summary>A service: its methods under one name.</summary>
/// <param name="Name">The full name, with its package.</param>
/// <param name="File">The .proto that declares it.</param>
/// <param name="Methods">What it can do.</param>
internal sealed record GrpcService(string Name, FileDescriptor File, params IReadOnlyList<GrpcMethod> Methods);
