using FsCheck;
using FsCheck.Fluent;
using Stint.Scheduling;

namespace Stint.Tests.Scheduling;

public sealed class AppScriptReaderTests
{
    [Fact]
    public void A_whole_script_is_read()
    {
        var script = Read("""
            # who may run what
            - web:
                - workers: [edge1, "edge2"]
                  strategy: random
                  invalidate:
                    capacity_used: 50%
                    max_concurrent_invocations: 3
                  affinity: [cache, "!batch"]
                - workers: "*"
                  strategy: platform
              followup: default
            - default:
                - workers: "*"
            """);
        Assert.Equal(["default", "web"], script.Tags.Keys.Order());
        var web = script.Tags["web"];
        Assert.True(web.FallsToDefault);
        Assert.Equal(2, web.Blocks.Count);
        var first = web.Blocks[0];
        Assert.Equal(["edge1", "edge2"], first.Workers);
        Assert.Equal((AppStrategy.Random, (int?)50, (int?)3), (first.Strategy, first.CapacityUsed, first.MaxConcurrentInvocations));
        Assert.Equal(["cache"], first.Affinity);
        Assert.Equal(["batch"], first.AntiAffinity);
        Assert.Null(web.Blocks[1].Workers);
        Assert.Equal(AppStrategy.Platform, web.Blocks[1].Strategy);
        var other = script.Tags["default"];
        Assert.False(other.FallsToDefault);
        Assert.Equal((AppStrategy.BestFirst, (int?)null, (int?)null), (other.Blocks[0].Strategy, other.Blocks[0].CapacityUsed, other.Blocks[0].MaxConcurrentInvocations));
    }

    [Theory]
    [InlineData("- a:\n    - workers: one\n", "one")]
    [InlineData("- a:\n    - workers: ['one']\n", "one")]
    [InlineData("[{a: [{workers: [one]}]}]", "one")]
    public void One_worker_may_stand_alone(string yaml, string worker) => Assert.Equal([worker], Read(yaml).Tags["a"].Blocks[0].Workers);

    [Theory]
    [InlineData("", "nothing in it")]
    [InlineData("# only a comment\n", "nothing in it")]
    [InlineData("just words", "unknown_construct")]
    [InlineData("{a: [{workers: x}]}", "unknown_construct")]
    [InlineData("[]", "unknown_construct")]
    [InlineData("- just words\n", "unknown_construct")]
    [InlineData("- {}\n", "unknown_construct")]
    [InlineData("- a:\n    - workers: x\n  b:\n    - workers: x\n", "unknown_construct")]
    [InlineData("- followup: fail\n", "unknown_construct")]
    [InlineData("- a: words\n", "tag 'a': unknown_construct")]
    [InlineData("- a:\n", "tag 'a': no_blocks")]
    [InlineData("- a: []\n", "tag 'a': no_blocks")]
    [InlineData("- a: ~\n", "tag 'a': no_blocks")]
    [InlineData("- a:\n    - strategy: random\n", "tag 'a': no_block_workers")]
    [InlineData("- a:\n    - workers:\n", "no_block_workers")]
    [InlineData("- a:\n    - workers: []\n", "no_block_workers")]
    [InlineData("- a:\n    - workers: [[x]]\n", "no_block_workers")]
    [InlineData("- a:\n    - workers: {x: y}\n", "no_block_workers")]
    [InlineData("- a:\n    - words\n", "tag 'a': unknown_construct")]
    [InlineData("- a:\n    - workers: x\n      strategy: best\n", "'strategy' must be")]
    [InlineData("- a:\n    - workers: x\n      strategy: [random]\n", "'strategy' must be")]
    [InlineData("- a:\n    - workers: x\n      invalidate: 50%\n", "'invalidate' has")]
    [InlineData("- a:\n    - workers: x\n      invalidate:\n        capacity_used: 101%\n", "'capacity_used' must be")]
    [InlineData("- a:\n    - workers: x\n      invalidate:\n        capacity_used: -1%\n", "'capacity_used' must be")]
    [InlineData("- a:\n    - workers: x\n      invalidate:\n        capacity_used: much\n", "'capacity_used' must be")]
    [InlineData("- a:\n    - workers: x\n      invalidate:\n        max_concurrent_invocations: -1\n", "'max_concurrent_invocations' must be")]
    [InlineData("- a:\n    - workers: x\n      invalidate:\n        max_concurrent_invocations: 99999999999\n", "'max_concurrent_invocations' must be")]
    [InlineData("- a:\n    - workers: x\n      invalidate:\n        latency: 3\n", "'latency' is not known")]
    [InlineData("- a:\n    - workers: x\n      affinity: web\n", "'affinity' must be")]
    [InlineData("- a:\n    - workers: x\n      affinity: ['!']\n", "'affinity' must be")]
    [InlineData("- a:\n    - workers: x\n      affinity: ['']\n", "'affinity' must be")]
    [InlineData("- a:\n    - workers: x\n      colour: red\n", "'colour' is not known")]
    [InlineData("- a:\n    - workers: x\n      workers: y\n", "'workers' is there twice")]
    [InlineData("- a:\n    - workers: x\n- a:\n    - workers: y\n", "the tag 'a' is there twice")]
    [InlineData("- a:\n    - workers: x\n  followup: later\n", "unknown_followup")]
    [InlineData("- a:\n    - workers: [x\n", "line")]
    [InlineData("- a:\n  - b: }\n", "line")]
    [InlineData("--- [a]\n--- [b]\n", "more than one document")]
    [InlineData("- a: &x [{workers: y}]\n- b: *x\n", "not allowed")]
    [InlineData("- a:\n    - workers: !!set {x}\n", "not allowed")]
    [InlineData("- a:\n    - workers: x\n      affinity: [!web]\n", "put a text that begins with ! or & into quotes")]
    [InlineData("- ? [a]\n  : b\n", "a key must be a text")]
    public void What_is_wrong_is_said(string yaml, string reason)
    {
        Assert.Null(AppScriptReader.Read(yaml, out var problems));
        Assert.Contains(problems, problem => problem.Contains(reason, StringComparison.Ordinal));
    }

    [Fact]
    public void Everything_wrong_is_said_at_once_with_its_line()
    {
        Assert.Null(AppScriptReader.Read("- a:\n    - strategy: no\n- b: []\n- c:\n    - workers: x\n      colour: red\n", out var problems));
        Assert.Equal(4, problems.Count);
        Assert.Contains(problems, static problem => problem.StartsWith("line 2: tag 'a': unknown_construct: 'strategy'", StringComparison.Ordinal));
        Assert.Contains(problems, static problem => problem.StartsWith("line 6: tag 'c': unknown_construct: 'colour'", StringComparison.Ordinal));
    }

    [Fact]
    public void Bombs_do_not_go_off()
    {
        // The billion laughs: refused at the first anchor.
        var laughs = "a: &a [lol,lol]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        Refuses(laughs, "not allowed");
        Refuses(new string('[', 30_000), "nested deeper");
        Refuses(string.Concat(Enumerable.Repeat("- ", 5_000)), "nested deeper");
        Refuses("- " + new string('a', AppScriptReader.MaxLength), "characters");
        Refuses("[" + string.Concat(Enumerable.Repeat("a,", 20_000)) + "]", "parts");
        Refuses(string.Concat(Enumerable.Repeat("{a: ", 100)), "nested deeper");

        static void Refuses(string yaml, string reason)
        {
            Assert.Null(AppScriptReader.Read(yaml, out var problems));
            Assert.Contains(problems, problem => problem.Contains(reason, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Whatever_comes_it_is_a_script_or_there_is_a_reason()
    {
        var pieces = Gen.Elements("- ", "a:", "\n", "  ", "    ", "workers", ": ", "\"*\"", "[", "]", "{", "}", "&x ", "*x", "!t ", "|", ">", "?", "%YAML 9.9\n", "---\n", "...\n", "'", "\"", "\\", "\\U00110000", "\t", "#", ",", "followup: default", "50%", "\u0000", "\uFEFF", "é", "💥", "- a:\n    - workers: x\n");
        var text = Gen.Choose(0, 40).SelectMany(count => pieces.ArrayOf(count)).Select(static parts => string.Concat(parts));
        Prop.ForAll(text.ToArbitrary(), static yaml =>
        {
            var script = AppScriptReader.Read(yaml, out var problems);
            return script is null ? problems.Count > 0 : problems.Count == 0 && script.Tags.Values.All(static tag => tag.Blocks.Count > 0);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000));
    }

    private static AppScript Read(string yaml) => AppScriptReader.Read(yaml, out var problems) ?? throw new InvalidOperationException(string.Join('\n', problems));
}
