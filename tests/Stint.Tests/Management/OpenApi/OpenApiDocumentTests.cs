using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Stint.Hosting;
using Stint.Management.OpenApi;
using Stint.Tests.Functions;

namespace Stint.Tests.Management.OpenApi;

/// <summary>The document is made of the routes themselves: a route that is added, changed or not described shows here.</summary>
public sealed class OpenApiDocumentTests
{
    [Fact]
    public void The_page_in_the_repository_is_that_of_the_routes() => GeneratedPage.AssertCurrent(Encoding.UTF8.GetString(Document()), "docs", "openapi.json");

    [Fact]
    public void Every_route_of_every_API_is_in_it()
    {
        var paths = JsonDocument.Parse(Document()).RootElement.GetProperty("paths");
        foreach (var (path, method) in new[] { ("/stint/v1/functions/{name}", "put"), ("/upload", "post"), ("/system/functions", "get"), ("/v1/fn/{module}/{function}", "post"), ("/v1/admin/subjects", "post"), ("/healthz", "head"), ("/openapi.json", "get") })
            Assert.True(paths.GetProperty(path).TryGetProperty(method, out _), path);
        var routes = Sources(Routes()).SelectMany(static source => source.Endpoints).OfType<RouteEndpoint>().Where(static route => !route.RoutePattern.Parameters.Any(static parameter => parameter.IsCatchAll)).ToArray();
        Assert.Equal(routes.Sum(static route => route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Count ?? 1), paths.EnumerateObject().Sum(static path => path.Value.EnumerateObject().Count()));
    }

    [Fact]
    public void It_holds_together()
    {
        var root = JsonDocument.Parse(Document()).RootElement;
        Assert.Equal("3.1.0", root.GetProperty("openapi").GetString());
        var ids = new HashSet<string>();
        foreach (var path in root.GetProperty("paths").EnumerateObject())
        {
            foreach (var operation in path.Value.EnumerateObject().Select(static method => method.Value))
            {
                Assert.True(ids.Add(operation.GetProperty("operationId").GetString()!), path.Name);
                Assert.NotEmpty(operation.GetProperty("responses").EnumerateObject());
                // Each parameter of the path is declared, and no other.
                var declared = operation.TryGetProperty("parameters", out var parameters) ? parameters.EnumerateArray().Where(static one => one.GetProperty("in").GetString() == "path").Select(static one => one.GetProperty("name").GetString()).ToArray() : [];
                Assert.Equal(path.Name.Split('{').Skip(1).Select(static part => part[..part.IndexOf('}', StringComparison.Ordinal)]), declared);
            }
        }
        // Each reference leads somewhere (RFC 6901).
        foreach (var reference in References(root))
        {
            var at = root;
            foreach (var step in reference.Split('/').Skip(1)) Assert.True(at.ValueKind == JsonValueKind.Array ? (at = at[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)]).ValueKind != JsonValueKind.Undefined : at.TryGetProperty(step, out at), reference);
        }
    }

    [Fact]
    public void A_route_without_a_description_is_found_out()
    {
        var app = Nothing();
        app.MapGet("/secret", static (HttpContext _) => Task.CompletedTask);
        Assert.Contains("/secret", Assert.Throws<InvalidOperationException>(() => OpenApiDocument.Write(Sources(app))).Message, StringComparison.Ordinal);
    }

    private static byte[] Document() => OpenApiDocument.Write(Sources(Routes()));

    // The routes that a daemon has, with nothing behind them.
    private static WebApplication Routes()
    {
        var app = Nothing();
        ManagementEndpoint.Map(app, null!, static () => true, null!, static () => [], null!, null!, static () => { });
        return app;
    }

    private static WebApplication Nothing()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        return builder.Build();
    }

    private static ICollection<EndpointDataSource> Sources(IEndpointRouteBuilder routes) => routes.DataSources;

    private static IEnumerable<string> References(JsonElement at) => at.ValueKind switch
    {
        JsonValueKind.Object => at.EnumerateObject().SelectMany(static member => member.Name == "$ref" ? [member.Value.GetString()!] : References(member.Value)),
        JsonValueKind.Array => at.EnumerateArray().SelectMany(References),
        _ => [],
    };
}
