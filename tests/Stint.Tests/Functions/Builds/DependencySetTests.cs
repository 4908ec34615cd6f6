using System.Text;
using Stint.Functions;
using Stint.Functions.Builds;

namespace Stint.Tests.Functions.Builds;

public sealed class DependencySetTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    private DependencySet? Read(Runtime runtime, bool scripts = false) => DependencySet.Read(new ProcessSpec { Runtime = runtime, AllowInstallScripts = scripts }, _temp.Path);

    [Theory]
    [InlineData("")]
    [InlineData("\n\n  \n")]
    [InlineData("# nothing\r\n   # here\r\n")]
    public void Requirements_that_name_nothing_need_no_build(string text)
    {
        _temp.Write("requirements.txt", text);
        Assert.Null(Read(Runtime.Python3));
    }

    [Theory]
    [InlineData("requests", false)]
    [InlineData("requests==2.31 # why", false)]
    [InlineData("requests[socks]>=2; python_version < '3.12'", false)]
    [InlineData("--index-url https://example.org/simple\nx", false)]
    [InlineData("x @ https://example.org/x.whl", false)]
    [InlineData("./wheels/x-1-py3-none-any.whl", true)]
    [InlineData("x-1-py3-none-any.whl", true)]
    [InlineData("-r more.txt", true)]
    [InlineData("-c limits.txt\nx", true)]
    [InlineData("-e .", true)]
    [InlineData("x @ file:///code/x", true)]
    public void Requirements_that_lie_in_the_code_need_the_code(string text, bool needsCode)
    {
        _temp.Write("requirements.txt", text);
        Assert.Equal(needsCode, Read(Runtime.Python3)!.NeedsCode);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"dependencies":{}}""")]
    [InlineData("""{"dependencies":{},"devDependencies":{"jest":"^29"}}""")]
    public void A_package_without_dependencies_needs_no_build(string json)
    {
        _temp.Write("package.json", json);
        Assert.Null(Read(Runtime.NodeJs));
    }

    [Fact]
    public void Packages_that_come_with_the_code_need_no_build()
    {
        _temp.Write("package.json", """{"dependencies":{"@a/b":"1","c":"2"}}""");
        _temp.Write("node_modules/@a/b/index.js");
        Assert.NotNull(Read(Runtime.NodeJs));
        _temp.Write("node_modules/c/index.js");
        Assert.Null(Read(Runtime.NodeJs));
    }

    [Fact]
    public void Only_what_decides_about_the_packages_is_given_to_npm()
    {
        _temp.Write("package.json", """{"name":"one","version":"7","scripts":{"install":"evil"},"dependencies":{"x":"^1"},"overrides":{"y":"2"}}""");
        _temp.Write("package-lock.json", "{}");
        var set = Read(Runtime.NodeJs)!;
        Assert.Equal(["package.json", "package-lock.json"], set.Files.Select(f => f.Key));
        Assert.Equal("""{"name":"fn","private":true,"dependencies":{"x":"^1"},"overrides":{"y":"2"}}""", Encoding.UTF8.GetString(set.Files[0].Value));
        Assert.False(set.NeedsCode);
        Assert.True(Read(Runtime.NodeJs, scripts: true)!.NeedsCode);
    }

    [Fact]
    public void A_binary_function_has_no_dependencies()
    {
        _temp.Write("requirements.txt", "x");
        Assert.Null(Read(Runtime.Binary));
    }
}
