using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;

namespace Stint.Tests.Functions.Builds;

public sealed class CodeCheckTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    private string Refusal(string runtime)
    {
        var error = Assert.Throws<DeploymentException>(() => CodeCheck.Require(Enum.Parse<Runtime>(runtime), _temp.Path));
        Assert.Equal(DeploymentFault.BadRequest, error.Fault);
        return error.Message;
    }

    [Theory]
    [InlineData("Python3", "fn.py is missing")]
    [InlineData("NodeJs", "package.json is missing")]
    [InlineData("Binary", "fn.sh is missing")]
    public void An_empty_folder_is_no_function(string runtime, string message) => Assert.StartsWith(message, Refusal(runtime), StringComparison.Ordinal);

    [Fact]
    public void Code_that_lies_one_folder_too_deep_is_pointed_out()
    {
        _temp.Write("fn/fn.py");
        Assert.Contains("All there is is the folder \"fn\"", Refusal("Python3"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("index.js")]
    [InlineData("fn.js")]
    public void A_node_file_alone_is_enough(string name)
    {
        _temp.Write(name);
        CodeCheck.Require(Runtime.NodeJs, _temp.Path);
    }

    [Fact]
    public void A_package_json_is_checked_for_what_it_names()
    {
        _temp.Write("package.json", "{\n  \"main\": oops\n}");
        Assert.StartsWith("package.json:2:", Refusal("NodeJs"), StringComparison.Ordinal);
        _temp.Write("package.json", "[]");
        Assert.Contains("must be a JSON object", Refusal("NodeJs"), StringComparison.Ordinal);
        _temp.Write("package.json", "{}");
        Assert.StartsWith("index.js is missing", Refusal("NodeJs"), StringComparison.Ordinal);
        _temp.Write("package.json", """{"main":"src/app"}""");
        Assert.Contains("no such file", Refusal("NodeJs"), StringComparison.Ordinal);
        _temp.Write("src/app.js");
        CodeCheck.Require(Runtime.NodeJs, _temp.Path);
        _temp.Write("package.json", """{"main":"../../etc/passwd"}""");
        Assert.Contains("outside", Refusal("NodeJs"), StringComparison.Ordinal);
    }
}
