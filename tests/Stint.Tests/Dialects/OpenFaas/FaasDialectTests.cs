using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Stint.Dialects.OpenFaas;
using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Tests.Time;

namespace Stint.Tests.Dialects.OpenFaas;

public sealed class FaasDialectTests
{
    private static readonly FaasDialect Dialect = new(TimeProvider.System);

    [Theory]
    [InlineData("/function/f", "f", "/", "")]
    [InlineData("/function/f/", "f", "/", "")]
    [InlineData("/function/f/a/b%2Fc?x=1&y=%20", "f", "/a/b%2Fc", "x=1&y=%20")]
    [InlineData("/function/f.dev/a?x?y", "f.dev", "/a", "x?y")]
    [InlineData("/function/f.openfaas-fn", "f", "/", "")]
    [InlineData("/function/f?q", "f", "/", "q")]
    [InlineData("/function/f.", "f.", "/", "")]
    [InlineData("/function", "", "/", "")]
    [InlineData("/function/", "", "/", "")]
    [InlineData("/functions/f", "", "/", "")]
    [InlineData("/system/../function/f", "", "/", "")]
    [InlineData("/async-function/", "", "/", "")]
    [InlineData("/", "", "/", "")]
    public void A_target_names_the_function_and_its_namespace(string target, string name, string path, string query)
    {
        var parsed = Dialect.Parse(target);
        Assert.Equal((name, path, query), (parsed.Name, parsed.Path, parsed.Query));
        Assert.Equal(name is "f" or "f.dev", parsed.TryGetFunction(out _));
    }

    [Fact]
    public void An_asynchronous_target_says_so()
    {
        Assert.Equal(new RequestTarget("f", "/a", "q") { IsAsync = true }, Dialect.Parse("/async-function/f/a?q"));
        Assert.False(Dialect.Parse("/function/f").IsAsync);
    }

    [Theory]
    [InlineData(nameof(Outcome.NotFound), 404, "Error resolving service.\nwhy\n")]
    [InlineData(nameof(Outcome.Unavailable), 503, "Can't reach service: f.dev\nwhy\n")]
    [InlineData(nameof(Outcome.Crashed), 502, "Can't reach service: f.dev\nwhy\n")]
    [InlineData(nameof(Outcome.ContractBroken), 502, "Can't reach service: f.dev\nwhy\n")]
    [InlineData(nameof(Outcome.NotImplemented), 501, "Can't reach service: f.dev\nwhy\n")]
    [InlineData(nameof(Outcome.FunctionFailed), 500, "why\n")]
    [InlineData(nameof(Outcome.TimedOut), 504, "why\n")]
    [InlineData(nameof(Outcome.TooLarge), 413, "why\n")]
    [InlineData(nameof(Outcome.Shed), 429, "why\n")]
    [InlineData(nameof(Outcome.BadRequest), 400, "why\n")]
    public async Task An_error_begins_with_the_contracts_line(string outcome, int status, string text)
    {
        var context = new DefaultHttpContext();
        using var body = new MemoryStream();
        context.Response.Body = body;
        var features = context.Features;
        features.GetRequiredFeature<IHttpRequestFeature>().RawTarget = "/function/f.dev/x";
        using var reply = Reply.Failure(Enum.Parse<Outcome>(outcome), "why", TimeSpan.FromSeconds(1.5));
        await Dialect.WriteErrorAsync(features.GetRequiredFeature<IHttpRequestFeature>(), features.GetRequiredFeature<IHttpResponseFeature>(), features.GetRequiredFeature<IHttpResponseBodyFeature>(), reply, "id");
        await context.Response.BodyWriter.FlushAsync();
        Assert.Equal((status, text, "2", "id"), (context.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()), context.Response.Headers.RetryAfter.ToString(), context.Response.Headers["X-Call-Id"].ToString()));
    }

    [Fact]
    public void Function_and_caller_are_told_the_call_and_its_start_and_a_callers_own_word_does_not_count()
    {
        var toFunction = new HeaderList { { "X-Start-Time", "1" }, { "X-Call-Id", "other" }, { "Accept", "x" } };
        var toCaller = new HeaderDictionary();
        var time = new FakeTime();
        new FaasDialect(time).Sign(toFunction, toCaller, "id");
        var nanoseconds = $"{(time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100}";
        Assert.Equal([new("Accept", "x"), new("X-Call-Id", "id"), new("X-Start-Time", nanoseconds)], toFunction);
        Assert.Equal(("id", nanoseconds), (toCaller["X-Call-Id"].ToString(), toCaller["X-Start-Time"].ToString()));
        Assert.StartsWith("stint/", toCaller["X-Served-By"].ToString(), StringComparison.Ordinal);
        Assert.All(toCaller.Keys, static name => Assert.True(Dialect.Signs(name.ToLowerInvariant())));
        Assert.False(Dialect.Signs("Content-Type"));
    }

    [Theory]
    [InlineData(200, null, "application/json", "application/json")]
    [InlineData(200, null, null, "text/plain")]
    [InlineData(200, "image/png", "application/json", "image/png")]
    [InlineData(204, null, "application/json", null)]
    [InlineData(304, null, null, null)]
    public void An_answer_without_a_type_has_the_requests(int status, string? functions, string? requests, string? expected)
    {
        var context = new DefaultHttpContext();
        context.Response.StatusCode = status;
        context.Response.ContentType = functions;
        context.Request.ContentType = requests;
        Dialect.Complete(context.Features.GetRequiredFeature<IHttpRequestFeature>(), context.Features.GetRequiredFeature<IHttpResponseFeature>());
        Assert.Equal(expected, context.Response.ContentType);
    }
}
