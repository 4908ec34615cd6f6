using Stint.Backends.Containers.Images;

namespace Stint.Tests.Backends.Containers.Images;

/// <summary>Cases of docs.docker.com/build/concepts/context, "Dockerignore files".</summary>
public sealed class IgnoreListTests
{
    [Theory]
    [InlineData("# comment", "# comment", false)]
    [InlineData("*/temp*", "somedir/temporary.txt", true)]
    [InlineData("*/temp*", "somedir/temp", true)]
    [InlineData("*/temp*", "somedir/subdir/temporary.txt", false)]
    [InlineData("*/*/temp*", "somedir/subdir/temporary.txt", true)]
    [InlineData("temp?", "tempa", true)]
    [InlineData("temp?", "temp", false)]
    [InlineData("**/*.go", "a.go", true)]
    [InlineData("**/*.go", "deep/er/a.go", true)]
    [InlineData("**/*.go", "a.goo", false)]
    [InlineData("/foo/bar/", "foo/bar", true)]
    [InlineData("./foo", "foo", true)]
    [InlineData("node_modules", "node_modules/left-pad/index.js", true)]
    [InlineData("node_modules", "src/node_modules", false)]
    [InlineData("a.b", "axb", false)]
    [InlineData("logs/**", "logs/x/y", true)]
    [InlineData("", "anything", false)]
    public void A_pattern_matches_paths(string pattern, string path, bool ignored) => Assert.Equal(ignored, new IgnoreList([pattern]).Ignores(path));

    [Fact]
    public void The_last_line_that_matches_decides()
    {
        var list = new IgnoreList(["*.md", "!README*.md", "README-secret.md"]);
        Assert.Equal([true, false, true], new[] { "a.md", "README.md", "README-secret.md" }.Select(list.Ignores));
        var other = new IgnoreList(["*.md", "README-secret.md", "!README*.md"]);
        Assert.Equal([true, false, false], new[] { "a.md", "README.md", "README-secret.md" }.Select(other.Ignores));
    }
}
