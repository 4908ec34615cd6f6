using System.Net;
using System.Net.Http.Headers;

namespace Stint.EndToEnd.Grpc;

/// <summary>What no gRPC library sends or shows: the HTTP/2 below it, seen with a plain HttpClient.</summary>
public sealed class GrpcWireTests(GrpcDaemon daemon) : IClassFixture<GrpcDaemon>
{
    private const string Request = "/openfogstack.tinyfaas.tinyfaas.TinyFaaS/Request";

    // Data { functionIdentifier = "echo", data = "hi" }
    private static readonly byte[] Echo = [0, 0, 0, 0, 10, 0x0a, 4, .. "echo"u8, 0x12, 2, .. "hi"u8];

    private async Task<HttpResponseMessage> SendAsync(
        byte[] body, string path = Request, string contentType = "application/grpc", HttpMethod? method = null, params (string Name, string Value)[] headers)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(method ?? HttpMethod.Post, $"http://{daemon.Address}{path}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body) { Headers = { ContentType = MediaTypeHeaderValue.Parse(contentType) } },
        };
        foreach (var (name, value) in headers) request.Headers.Add(name, value);
        return await client.SendAsync(request);
    }

    private static void AssertTrailersOnly(string status, HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/grpc", response.Content.Headers.ContentType?.ToString());
        Assert.Equal(status, Assert.Single(response.Headers.GetValues("grpc-status")));
        Assert.NotEmpty(Assert.Single(response.Headers.GetValues("grpc-message")));
        Assert.Empty(response.TrailingHeaders);
    }

    [Fact]
    public async Task A_message_is_followed_by_its_status_in_the_trailers()
    {
        using var response = await SendAsync(Echo);
        Assert.Equal([0, 0, 0, 0, 4, 0x0a, 2, .. "hi"u8], await response.Content.ReadAsByteArrayAsync());
        Assert.Equal("0", Assert.Single(response.TrailingHeaders.GetValues("grpc-status")));
        Assert.False(response.Headers.Contains("grpc-status"));
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/grpc-web")]
    [InlineData("application/grpc+json")]
    public async Task What_is_no_grpc_is_an_unsupported_media_type(string contentType)
    {
        using var response = await SendAsync(Echo, contentType: contentType);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
    }

    [Fact]
    public async Task A_method_other_than_POST_is_not_allowed()
    {
        using var response = await SendAsync(Echo, method: HttpMethod.Put);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
    }

    [Fact]
    public async Task The_message_format_may_be_named()
    {
        using var response = await SendAsync(Echo, contentType: "application/grpc+proto");
        _ = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal("0", Assert.Single(response.TrailingHeaders.GetValues("grpc-status")));
    }

    [Fact]
    public async Task A_method_that_is_not_there_is_unimplemented()
    {
        using var response = await SendAsync(Echo, "/a.B/C");
        AssertTrailersOnly("12", response);
    }

    [Fact]
    public async Task An_unknown_encoding_is_answered_with_those_that_are_known()
    {
        using var response = await SendAsync(Echo, headers: ("grpc-encoding", "zstd"));
        AssertTrailersOnly("12", response);
        Assert.Equal("identity,gzip", string.Join(',', response.Headers.GetValues("grpc-accept-encoding")).Replace(" ", "", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("0n", "4")]
    [InlineData("soon", "13")]
    public async Task A_timeout_that_has_passed_or_is_none_ends_the_call_at_once(string timeout, string status)
    {
        using var response = await SendAsync(Echo, headers: ("grpc-timeout", timeout));
        AssertTrailersOnly(status, response);
    }

    [Fact]
    public async Task A_request_without_a_message_is_an_internal_error()
    {
        using var response = await SendAsync([]);
        AssertTrailersOnly("13", response);
    }

    [Fact]
    public async Task A_message_beyond_the_limit_is_refused_by_its_prefix()
    {
        using var response = await SendAsync([0, 0xff, 0xff, 0xff, 0xff]);
        AssertTrailersOnly("8", response);
    }
}
