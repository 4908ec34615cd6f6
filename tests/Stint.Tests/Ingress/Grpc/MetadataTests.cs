using Microsoft.AspNetCore.Http;
using Stint.Ingress.Grpc.Wire;
using Stint.Invocations;

namespace Stint.Tests.Ingress.Grpc;

public sealed class MetadataTests
{
    [Fact]
    public void A_function_sees_the_callers_metadata_and_nothing_of_the_protocol()
    {
        var metadata = new HeaderDictionary
        {
            ["lab"] = "1", ["user-agent"] = "test", ["twice"] = new(["a", "b"]), ["raw-bin"] = "AP8Q", ["te"] = "trailers", ["content-type"] = "application/grpc",
            ["grpc-timeout"] = "1S", ["grpc-accept-encoding"] = "gzip", ["content-length"] = "5", [":path"] = "/a/b",
        };
        Assert.Equal(["Lab=1", "Raw-Bin=AP8Q", "Twice=a, b", "User-Agent=test"], Metadata.ToHeaders(metadata).Select(static header => $"{header.Key}={header.Value}").Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Lab", "1", true)]
    [InlineData("X_y.z-0", "a b~", true)]
    [InlineData("Raw-Bin", "AP8Q", true)]
    [InlineData("Raw-Bin", "AP8", true)]
    [InlineData("Raw-Bin", "AP8=", true)]
    [InlineData("Raw-Bin", "?", false)]
    [InlineData("Raw-Bin", "A", false)]
    [InlineData("Lab", "ü", false)]
    [InlineData("Lab", "a\tb", false)]
    [InlineData("Lab", "", false)]
    [InlineData("a!b", "1", false)]
    [InlineData("Grpc-Status", "0", false)]
    [InlineData("Content-Type", "text/plain", false)]
    [InlineData("Content-Length", "3", false)]
    [InlineData("Connection", "close", false)]
    [InlineData("Trailer", "a", false)]
    public void A_functions_header_goes_out_when_grpc_can_carry_it(string name, string value, bool goesOut)
    {
        var metadata = new HeaderDictionary();
        Metadata.AddHeaders(metadata, new HeaderList { { name, value } });
        Assert.Equal(goesOut ? $"{name.ToLowerInvariant()}={value}" : "", string.Join(';', metadata.Select(static pair => $"{pair.Key}={pair.Value}")));
    }

    [Theory]
    [InlineData("gzip", true)]
    [InlineData("identity, deflate, gzip", true)]
    [InlineData("identity,gzip", true)]
    [InlineData("identity", false)]
    [InlineData("gzipped", false)]
    [InlineData("", false)]
    public void A_list_of_encodings_names_gzip_or_does_not(string accepted, bool gzip) => Assert.Equal(gzip, MessageEncoding.AcceptsGzip(accepted));
}
