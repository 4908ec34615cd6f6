using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.Reflection;
using Stint.Ingress.Grpc.Messages.Reflection;
using Stint.Ingress.Grpc.Wire;
using Request = Stint.Ingress.Grpc.Messages.Reflection.ServerReflectionRequest.MessageRequestOneofCase;

namespace Stint.Ingress.Grpc.Services;

/// <summary>
/// <c>grpc.reflection.v1.ServerReflection</c> and, for older tools, <c>v1alpha</c>, which is the same under another name: what the services are and what their messages look like, so that grpcurl and the like
/// need no .proto. None of our files imports another, and there are no extensions (proto3).
/// </summary>
internal sealed class ReflectionService
{
    private const string Package = "grpc.reflection.v1";
    private const string OldPackage = "grpc.reflection.v1alpha";
    private const string Service = "ServerReflection";

    private readonly Dictionary<string, ByteString> _filesByName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ByteString> _filesBySymbol = new(StringComparer.Ordinal);
    private readonly HashSet<string> _messageTypes = new(StringComparer.Ordinal);
    private readonly List<string> _services = [];
    private readonly CancellationToken _stopping;

    private ReflectionService(IEnumerable<GrpcService> others, CancellationToken stopping)
    {
        _stopping = stopping;
        foreach (var service in others) Add(service.Name, service.File.ToProto());
        var own = ReflectionReflection.Descriptor.ToProto();
        Add($"{Package}.{Service}", own);
        Add($"{OldPackage}.{Service}", Renamed(own));
    }

    /// <summary>Both services, which describe themselves and the others.</summary>
    public static IEnumerable<GrpcService> Definitions(IReadOnlyList<GrpcService> others, CancellationToken stopping)
    {
        var reflection = new ReflectionService(others, stopping);
        var method = new GrpcMethod("ServerReflectionInfo", reflection.AnswerAllAsync, IsLongLived: true);
        foreach (var package in (string[])[Package, OldPackage]) yield return new GrpcService($"{package}.{Service}", ReflectionReflection.Descriptor, method);
    }

    private async Task<GrpcStatus> AnswerAllAsync(GrpcCall call)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(call.Ended, _stopping);
        try
        {
            while (await call.ReadAsync(ServerReflectionRequest.Parser, either.Token).ConfigureAwait(false) is { } request) await call.SendAsync(Answer(request)).ConfigureAwait(false);
            return GrpcStatus.Ok;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return new(GrpcStatusCode.Unavailable, "the daemon is stopping");
        }
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case Request.ListServices:
                response.ListServicesResponse = new ListServiceResponse { Service = { _services.Select(static name => new ServiceResponse { Name = name }) } };
                break;
            case Request.FileByFilename when _filesByName.TryGetValue(request.FileByFilename, out var file):
                response.FileDescriptorResponse = new FileDescriptorResponse { FileDescriptorProto = { file } };
                break;
            case Request.FileContainingSymbol when _filesBySymbol.TryGetValue(request.FileContainingSymbol, out var file):
                response.FileDescriptorResponse = new FileDescriptorResponse { FileDescriptorProto = { file } };
                break;
            case Request.AllExtensionNumbersOfType when _messageTypes.Contains(request.AllExtensionNumbersOfType):
                response.AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = request.AllExtensionNumbersOfType };
                break;
            case Request.None:
                response.ErrorResponse = new ErrorResponse { ErrorCode = (int)GrpcStatusCode.InvalidArgument, ErrorMessage = "the request asks for nothing" };
                break;
            default:
                response.ErrorResponse = new ErrorResponse { ErrorCode = (int)GrpcStatusCode.NotFound, ErrorMessage = "there is no such file, symbol or extension" };
                break;
        }
        return response;
    }

    private void Add(string service, FileDescriptorProto file)
    {
        _services.Add(service);
        var bytes = file.ToByteString();
        _filesByName[file.Name] = bytes;
        foreach (var declared in file.Service)
        {
            _filesBySymbol[$"{file.Package}.{declared.Name}"] = bytes;
            foreach (var method in declared.Method) _filesBySymbol[$"{file.Package}.{declared.Name}.{method.Name}"] = bytes;
        }
        AddEnums(file.Package, file.EnumType, bytes);
        AddMessages(file.Package, file.MessageType, bytes);
    }

    private void AddMessages(string scope, RepeatedField<DescriptorProto> messages, ByteString file)
    {
        foreach (var message in messages)
        {
            var name = $"{scope}.{message.Name}";
            _filesBySymbol[name] = file;
            _messageTypes.Add(name);
            foreach (var field in message.Field) _filesBySymbol[$"{name}.{field.Name}"] = file;
            AddEnums(name, message.EnumType, file);
            AddMessages(name, message.NestedType, file);
        }
    }

    private void AddEnums(string scope, RepeatedField<EnumDescriptorProto> enums, ByteString file)
    {
        foreach (var declared in enums)
        {
            _filesBySymbol[$"{scope}.{declared.Name}"] = file;
            // A value lives in the scope of its enum, not in the enum (descriptor.proto).
            foreach (var value in declared.Value) _filesBySymbol[$"{scope}.{value.Name}"] = file;
        }
    }

    private static FileDescriptorProto Renamed(FileDescriptorProto file)
    {
        static string Moved(string type) => type.Replace($".{Package}.", $".{OldPackage}.", StringComparison.Ordinal);

        var renamed = file.Clone();
        renamed.Package = OldPackage;
        renamed.Name = "grpc/reflection/v1alpha/reflection.proto";
        foreach (var field in renamed.MessageType.SelectMany(static message => message.Field).Where(static field => field.HasTypeName)) field.TypeName = Moved(field.TypeName);
        foreach (var method in renamed.Service.SelectMany(static service => service.Method)) (method.InputType, method.OutputType) = (Moved(method.InputType), Moved(method.OutputType));
        return renamed;
    }
}
