using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Stint.Dialects.UniFaas;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Tests.Dialects.UniFaas;

public sealed class UniFaasDialectTests
{
    private static readonly UniFaasDialect Dialect = new();

    [Theory]
    [InlineData("/invoke/f", "f", "/", "")]
    [InlineData("/invoke/f/", "f", "/", "")]
    [InlineData("/invoke/f/a/b%2Fc?x=1&y=%20", "f", "/a/b%2Fc", "x=1&y=%20")]
    [InlineData("/invoke/f.m/a?x?y", "f.m", "/a", "x?y")]
    [InlineData("/invoke/f?q", "f", "/", "q")]
    [InlineData("/invoke/%66/a", "f", "/a", "")]
    [InlineData("/invoke", "", "/", "")]
    [InlineData("/invoke/", "", "/", "")]
    [InlineData("/f/invoke/f", "", "/", "")]
    [InlineData("/invoked/f", "", "/", "")]
    [InlineData("/", "", "/", "")]
    public void A_target_names_the_function_after_invoke(string target, string name, string path, string query) =>
        Assert.Equal(new RequestTarget(name, path, query), Dialect.Parse(target));

    [Theory]
    [InlineData(nameof(Outcome.BadRequest), 400)]
    [InlineData(nameof(Outcome.NotFound), 404)]
    [InlineData(nameof(Outcome.TooLarge), 413)]
    [InlineData(nameof(Outcome.FunctionFailed), 500)]
    [InlineData(nameof(Outcome.Crashed), 500)]
    [InlineData(nameof(Outcome.ContractBroken), 500)]
    [InlineData(nameof(Outcome.TimedOut), 500)]
    [InlineData(nameof(Outcome.Unavailable), 500)]
    [InlineData(nameof(Outcome.NotImplemented), 501)]
    public async Task Errors_have_the_contracts_status_and_one_line(string outcome, int status)
    {
        var (actual, text, _) = await Write(Reply.Failure(Enum.Parse<Outcome>(outcome), "it went wrong"));
        Assert.Equal((status, "error: it went wrong\n"), (actual, text));
    }

    [Theory]
    [InlineData(nameof(Outcome.Shed), 429)]
    [InlineData(nameof(Outcome.Unavailable), 503)]
    public async Task Overload_has_UniFaaSs_words_and_our_status(string outcome, int status)
    {
        var (actual, text, retry) = await Write(Reply.Overload(Enum.Parse<Outcome>(outcome), "1000 calls are waiting", TimeSpan.FromSeconds(2.5)));
        Assert.Equal((status, "error: too many requests\n", "3"), (actual, text, retry));
    }

    [Fact]
    public void Every_outcome_has_a_status() => Assert.All(Enum.GetValues<Outcome>().Where(static outcome => outcome != Outcome.Answered), static outcome =>
    {
        Assert.InRange(UniFaasDialect.Status(Reply.Failure(outcome, "")), 400, 599);
        Assert.InRange(HttpOutcome.Status(outcome), 400, 599);
        Assert.NotEmpty(HttpOutcome.Code(outcome));
    });

    private static async Task<(int Status, string Text, string? RetryAfter)> Write(Reply reply)
    {
        using (reply)
        {
            var context = new DefaultHttpContext();
            using var body = new MemoryStream();
            context.Response.Body = body;
            var features = context.Features;
            await Dialect.WriteErrorAsync(features.GetRequiredFeature<IHttpRequestFeature>(), features.GetRequiredFeature<IHttpResponseFeature>(), features.GetRequiredFeature<IHttpResponseBodyFeature>(), reply, "id");
            await context.Response.BodyWriter.FlushAsync();
            return (context.Response.StatusCode, System.Text.Encoding.UTF8.GetString(body.ToArray()), context.Response.Headers.RetryAfter);
        }
    }
}
