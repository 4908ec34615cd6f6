using Stint.Functions.Specification;

namespace Stint.Tests.Functions.Specification;

public sealed class FunctionTomlReferenceTests
{
    [Fact]
    public void The_page_is_current() => GeneratedPage.AssertCurrent(FunctionTomlReference.Render(), "docs", "function-toml.md");

    [Fact]
    public void The_examples_of_the_page_are_valid()
    {
        var examples = GeneratedPage.Blocks(FunctionTomlReference.Render(), "toml").ToList();
        Assert.Equal(9, examples.Count);
        foreach (var example in examples) Assert.Empty(FunctionToml.Read(example).Problems);
    }

    [Fact]
    public void The_errors_of_the_page_are_what_the_reader_says()
    {
        var shown = Assert.Single(GeneratedPage.Blocks(FunctionTomlReference.Render(), "text"));
        Assert.Equal(shown.TrimEnd(), FunctionToml.Read("time-out = 10\n[process]\nruntime = \"python\"\n").Render(FunctionToml.FileName));
    }
}
