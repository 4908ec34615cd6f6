using System.Diagnostics;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;

namespace Stint.Tests.Functions.Bundles;

public sealed class CodeTreeTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    private void Check() => CodeTree.Check(_temp["code"], CodeTree.Walk(_temp["code"]));

    private void Link(string path, string target)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_temp["code/" + path])!);
        File.CreateSymbolicLink(_temp["code/" + path], target);
    }

    [Fact]
    public void Links_that_stay_inside_are_kept_as_they_are()
    {
        _temp.Write("code/lib/a.txt", "a");
        Link("b.txt", "lib/a.txt");
        Link("lib/up", "../lib");
        Link("dangling", "not/there");
        Check();
        CodeTree.Copy(_temp["code"], CodeTree.Walk(_temp["code"]), _temp["copy"]);
        Assert.Equal("lib/a.txt", new FileInfo(_temp["copy/b.txt"]).LinkTarget);
        Assert.Equal("a", File.ReadAllText(_temp["copy/lib/up/a.txt"]));
    }

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("d/../../x")]
    [InlineData("self")]
    public void A_link_that_leads_out_is_rejected(string target)
    {
        Directory.CreateDirectory(_temp["code/d"]);
        Link("self", target);
        Assert.Contains("outside", Assert.Throws<DeploymentException>(Check).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_that_leads_out_through_another_link_is_rejected()
    {
        Link("d/e/top", "../..");
        Link("d/e/out", "top/..");
        Assert.Contains("\"d/e/out\"", Assert.Throws<DeploymentException>(Check).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pipe_is_rejected()
    {
        Directory.CreateDirectory(_temp["code"]);
        using (var make = Process.Start("mkfifo", _temp["code/pipe"])) make.WaitForExit();
        Assert.Contains("pipe", Assert.Throws<DeploymentException>(Check).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_can_be_read_by_everybody_and_loses_setuid()
    {
        File.SetUnixFileMode(_temp.Write("code/private"), UnixFileMode.UserRead);
        File.SetUnixFileMode(_temp.Write("code/run"), UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.SetUser);
        CodeTree.Copy(_temp["code"], CodeTree.Walk(_temp["code"]), _temp["copy"]);
        Assert.Equal("644", Convert.ToString((int)File.GetUnixFileMode(_temp["copy/private"]), 8));
        Assert.Equal("755", Convert.ToString((int)File.GetUnixFileMode(_temp["copy/run"]), 8));
    }

    [Fact]
    public void An_edit_that_keeps_size_and_time_changes_the_mark()
    {
        var file = _temp.Write("code/a.txt", "one");
        var time = File.GetLastWriteTimeUtc(file);
        var before = BundleHash.Mark(_temp["code"]);
        Assert.Equal(before, BundleHash.Mark(_temp["code"]));
        File.WriteAllText(file, "two");
        File.SetLastWriteTimeUtc(file, time);
        Assert.NotEqual(before, BundleHash.Mark(_temp["code"]));
    }
}
