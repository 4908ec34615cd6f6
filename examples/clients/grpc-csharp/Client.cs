// Calls a function of Stint over gRPC with nothing but HttpClient and Google.Protobuf: dotnet run -- HOST:PORT FUNCTION TEXT
//
// With the package Grpc.Net.Client at hand, use that: it does all of this and more. Here one sees how little a unary call is:
//   HTTP/2, POST /package.Service/Method, content type application/grpc
//   a message = one byte of flags, four bytes of length (big-endian), the message
//   grpc-status and grpc-message: in the trailers, or in the headers of a response without a body
using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Stint.V1;

if (args is not [var address, var function, var text])
{
    Console.Error.WriteLine("usage: dotnet run -- HOST:PORT FUNCTION TEXT");
    return 2;
}

var message = new InvokeRequest { Function = function, Body = ByteString.CopyFromUtf8(text) };
var frame = new byte[5 + message.CalculateSize()];
BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.CalculateSize());
message.WriteTo(frame.AsSpan(5));

using var client = new HttpClient();
using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{address}/stint.v1.Functions/Invoke")
{
    Version = HttpVersion.Version20,
    VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    Content = new ByteArrayContent(frame) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc") } },
    // Metadata becomes headers of the function; the deadline is the function's too.
    Headers = { { "te", "trailers" }, { "grpc-timeout", "10S" }, { "lab", "csharp" } },
};
using var response = await client.SendAsync(request);
var body = await response.Content.ReadAsByteArrayAsync();

var status = Of("grpc-status");
if (status != "0")
{
    Console.Error.WriteLine($"grpc-status {status}: {Uri.UnescapeDataString(Of("grpc-message"))}");
    return 1;
}
var answer = InvokeResponse.Parser.ParseFrom(body.AsSpan(5, BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(1))));
Console.WriteLine($"{answer.Status} {answer.Body.ToStringUtf8()}");
return 0;

string Of(string name) => response.TrailingHeaders.TryGetValues(name, out var values) || response.Headers.TryGetValues(name, out values) ? values.First() : "";
