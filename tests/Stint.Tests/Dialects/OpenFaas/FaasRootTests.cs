using System.Text;
using Stint.Dialects.OpenFaas;

namespace Stint.Tests.Dialects.OpenFaas;

/// <summary>What is an Alexa request (contract openfaas.md, part 1), clause by clause.</summary>
public sealed class FaasRootTests
{
    [Fact]
    public void The_contracts_example_names_its_intent() => Assert.Equal("HostnameIntent", Intent("""
        {"session":{"sessionId":"SessionId.1","application":{"applicationId":"amzn1.ask.skill.1"},"new":true},"request":{"type":"IntentRequest","requestId":"…","locale":"en-GB",
        "timestamp":"2017-01-01T00:00:00Z","intent":{"name":"HostnameIntent","slots":{}}},"version":"1.0"}
        """));

    [Theory]
    [InlineData("no session", """{"request":{"intent":{"name":"N"}}}""")]
    [InlineData("no session id", """{"session":{"application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("an empty session id", """{"session":{"sessionId":"","application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("a session id that is no text", """{"session":{"sessionId":1,"application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("a null session id", """{"session":{"sessionId":null,"application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("no application", """{"session":{"sessionId":"s"},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("no application id", """{"session":{"sessionId":"s","application":{}},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("an empty application id", """{"session":{"sessionId":"s","application":{"applicationId":""}},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("the application beside the session", """{"session":{"sessionId":"s"},"application":{"applicationId":"a"},"request":{"intent":{"name":"N"}}}""")]
    [InlineData("no request", """{"session":{"sessionId":"s","application":{"applicationId":"a"}}}""")]
    [InlineData("a request without an intent, as when a skill is launched", """{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"type":"LaunchRequest"}}""")]
    [InlineData("an intent without a name", """{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"intent":{}}}""")]
    [InlineData("an intent with an empty name", """{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"intent":{"name":""}}}""")]
    [InlineData("an intent that is a text", """{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"intent":"N"}}""")]
    [InlineData("JSON that goes on", """{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}} x""")]
    [InlineData("JSON that breaks off", """{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}""")]
    [InlineData("an array", """[{"session":{"sessionId":"s","application":{"applicationId":"a"}},"request":{"intent":{"name":"N"}}}]""")]
    [InlineData("a text", "\"session\"")]
    [InlineData("nothing", "")]
    public void A_near_miss_is_none(string what, string body) => Assert.True(Intent(body) is null, what);

    private static string? Intent(string body) => FaasRoot.Intent(Encoding.UTF8.GetBytes(body));
}
