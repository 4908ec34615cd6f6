using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Stint.Deliveries;
using Stint.Deliveries.Callbacks;

namespace Stint.Tests.Deliveries;

public sealed class CallbackKindTests : IAsyncLifetime
{
    private WebApplication _server = null!;
    private RequestDelegate _answer = static _ => Task.CompletedTask;
    private int _port;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _server = builder.Build();
        _server.Run(context => _answer(context));
        await _server.StartAsync();
        _port = new Uri(_server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task The_result_comes_with_the_headers_of_the_contract()
    {
        var seen = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var body = "";
        _answer = async context =>
        {
            foreach (var (name, value) in context.Request.Headers) seen[name] = value.ToString();
            using var reader = new StreamReader(context.Request.Body);
            body = await reader.ReadToEndAsync();
            context.Response.StatusCode = 204;
        };
        Assert.Equal(DeliveryResult.Delivered, await DeliverAsync());
        Assert.Equal("the result", body);
        Assert.Equal(("call-7", "0.012346", "f", "207", "text/x-test", "10"), (seen["X-Call-Id"], seen["X-Duration-Seconds"], seen["X-Function-Name"], seen["X-Function-Status"], seen["Content-Type"], seen["Content-Length"]));
    }

    [Theory]
    [InlineData(200, "Delivered")]
    [InlineData(302, "GiveUp")]
    [InlineData(400, "GiveUp")]
    [InlineData(404, "GiveUp")]
    [InlineData(408, "TryAgain")]
    [InlineData(429, "TryAgain")]
    [InlineData(503, "TryAgain")]
    public async Task What_the_receiver_answers_decides(int status, string ending)
    {
        var requests = 0;
        _answer = context =>
        {
            requests++;
            context.Response.StatusCode = status;
            context.Response.Headers.Location = $"http://127.0.0.1:{_port}/elsewhere";
            context.Response.Headers.RetryAfter = "7";
            return Task.CompletedTask;
        };
        var result = await DeliverAsync();
        Assert.Equal(ending, result.Ending.ToString());
        Assert.Equal(1, requests); // also when told to go elsewhere
        if (result.Ending == DeliveryEnding.Delivered) return;
        Assert.Equal(status, result.Status);
        Assert.Contains($"{status}", result.Why, StringComparison.Ordinal);
        if (result.Ending == DeliveryEnding.TryAgain) Assert.Equal(TimeSpan.FromSeconds(7), result.RetryAfter);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_tried_again()
    {
        await _server.StopAsync();
        var result = await DeliverAsync();
        Assert.Equal(DeliveryEnding.TryAgain, result.Ending);
        Assert.Contains($"127.0.0.1:{_port}", result.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("fe80::1")]
    [InlineData("0.0.0.0")]
    public async Task A_name_that_leads_to_this_host_when_it_is_connected_to_is_given_up(string address)
    {
        var requests = 0;
        _answer = _ =>
        {
            requests++;
            return Task.CompletedTask;
        };
        var rules = new CallbackRules([], (_, _) => Task.FromResult(new[] { IPAddress.Parse(address) }));
        Assert.Null(rules.Refuse($"http://rebound.example:{_port}/"));
        var result = await DeliverAsync(rules, $"http://rebound.example:{_port}/");
        Assert.Equal((DeliveryEnding.GiveUp, 0), (result.Ending, requests));
        Assert.Contains("--callback-allow", result.Why, StringComparison.Ordinal);
    }

    private async Task<DeliveryResult> DeliverAsync(CallbackRules? rules = null, string? url = null)
    {
        using var kind = new CallbackKind(rules ?? new CallbackRules([IPNetwork.Parse("127.0.0.0/8")]));
        return await kind.DeliverAsync(new Delivery
        {
            Kind = kind.Name, Function = StoreFolder.Name(), CallId = "call-7", Target = CallbackKind.Target(url ?? $"http://127.0.0.1:{_port}/done"), ContentType = "text/x-test",
            Body = Encoding.UTF8.GetBytes("the result"), Status = 207, Took = TimeSpan.FromSeconds(0.0123456),
        }, default);
    }
}
