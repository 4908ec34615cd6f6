using System.Text;
using Stint.Coap.Discovery;
using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Discovery;

public sealed class DiscoveryTests : IAsyncLifetime
{
    private readonly EngineRig _rig = new();

    public DiscoveryTests() => _rig.Resources.Links =
    [
        new CoapLink { Path = "/sensors/temp", ResourceTypes = ["temperature-c", "sensor"], Interfaces = ["sensor"], ContentFormats = [0, 50], IsObservable = true },
        new CoapLink { Path = "/firmware", ResourceTypes = ["binary"], Size = 262_144, ContentFormats = [42], Title = "a \"quoted\" title" },
    ];

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _rig.DisposeAsync().AsTask();

    private const string Temp = "</sensors/temp>;rt=\"temperature-c sensor\";if=\"sensor\";ct=\"0 50\";obs";
    private const string Firmware = "</firmware>;rt=\"binary\";ct=42;title=\"a \\\"quoted\\\" title\";sz=262144";

    private CoapMessage Core(string? query = null, CoapMessageType type = CoapMessageType.Confirmable) =>
        _rig.Request(CoapCode.Get, ".well-known/core", query is null ? [] : [CoapOption.OfText(OptionNumber.UriQuery, query)], type: type);

    [Theory]
    [InlineData(null, Temp + "," + Firmware)]
    [InlineData("rt=sensor", Temp)]
    [InlineData("rt=temp*", Temp)]
    [InlineData("rt=temp", "")]
    [InlineData("if=sensor", Temp)]
    [InlineData("ct=50", Temp)]
    [InlineData("ct=4*", Firmware)]
    [InlineData("sz=262144", Firmware)]
    [InlineData("href=/firm*", Firmware)]
    [InlineData("href=/sensors/temp", Temp)]
    [InlineData("href=*", Temp + "," + Firmware)]
    [InlineData("unknown=1", "")]
    public void The_links_are_listed_and_filtered(string? query, string expected)
    {
        var answer = _rig.Exchange(Core(query));
        Assert.Equal(CoapCode.Content, answer.Code);
        Assert.Equal(expected, Encoding.UTF8.GetString(answer.Payload.Span));
        if (expected.Length > 0) Assert.True(answer.TryGetOption(OptionNumber.ContentFormat, out var format) && format.AsUInt() == ContentFormats.LinkFormat);
        Assert.Equal(0, _rig.Resources.Runs);
    }

    [Fact]
    public void A_long_list_comes_in_blocks()
    {
        _rig.Resources.Links = [.. Enumerable.Range(0, 100).Select(i => new CoapLink { Path = $"/function-{i}", ResourceTypes = ["stint.function"] })];
        Assert.True(EngineRig.BlockOf(_rig.Exchange(Core()), OptionNumber.Block2).More);
    }

    [Fact]
    public void Other_methods_and_formats_are_refused()
    {
        Assert.Equal(CoapCode.MethodNotAllowed, _rig.Exchange(_rig.Request(CoapCode.Post, ".well-known/core")).Code);
        Assert.Equal(CoapCode.NotAcceptable, _rig.Exchange(_rig.Request(CoapCode.Get, ".well-known/core", [CoapOption.OfUInt(OptionNumber.Accept, 50)])).Code);
        Assert.Equal(CoapCode.Content, _rig.Exchange(_rig.Request(CoapCode.Get, ".well-known")).Code);
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void A_multicast_request_is_answered_some_time_within_the_leisure()
    {
        _rig.Receive(Core("rt=sensor", CoapMessageType.NonConfirmable), multicast: true);
        _rig.AssertSilent();
        _rig.Time.Advance(5);
        var answer = _rig.Next();
        Assert.Equal((CoapMessageType.NonConfirmable, CoapCode.Content), (answer.Type, answer.Code));
    }

    [Fact]
    public void A_multicast_request_with_nothing_to_say_or_of_the_wrong_kind_is_not_answered()
    {
        _rig.Receive(Core("rt=none", CoapMessageType.NonConfirmable), multicast: true);
        _rig.Receive(Core(), multicast: true);
        _rig.Receive(_rig.Request(CoapCode.Get, "firmware", type: CoapMessageType.NonConfirmable), multicast: true);
        _rig.Receive(_rig.Request(CoapCode.Post, ".well-known/core", type: CoapMessageType.NonConfirmable), multicast: true);
        _rig.Engine.Receive(EngineRig.Local, [0x40, 0x00, 0x12, 0x34], multicast: true);
        _rig.Time.Advance(10);
        _rig.AssertSilent();
        Assert.Equal(0, _rig.Resources.Runs);
    }
}
