using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Blockwise;

public sealed class UploadTests : IAsyncLifetime
{
    private readonly EngineRig _rig = new();
    private readonly byte[] _body = [.. Enumerable.Range(0, 4000).Select(i => (byte)(i * 31))];

    public UploadTests() => _rig.Resources.Handler = (request, _) =>
        new(CoapResponse.Changed with { Payload = request.Payload.Span.SequenceEqual(_body) ? "same"u8.ToArray() : "other"u8.ToArray() });

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _rig.DisposeAsync().AsTask();

    private CoapMessage Block(int number, int size, byte[]? body = null, CoapOption[]? options = null)
    {
        body ??= _body;
        var end = Math.Min(body.Length, (number + 1) * size);
        return _rig.Request(CoapCode.Put, "file", [.. options ?? [], EngineRig.Block1(number, end < body.Length, size)], body[(number * size)..end]);
    }

    [Fact]
    public void A_body_in_blocks_runs_once_and_whole()
    {
        for (var number = 0; number < 3; number++)
        {
            var step = _rig.Exchange(Block(number, 1024));
            Assert.Equal(CoapCode.Continue, step.Code);
            Assert.Equal((number, true, 1024), (EngineRig.BlockOf(step, OptionNumber.Block1).Number, EngineRig.BlockOf(step, OptionNumber.Block1).More, EngineRig.BlockOf(step, OptionNumber.Block1).Size));
        }

        var last = _rig.Exchange(Block(3, 1024));
        Assert.Equal((CoapCode.Changed, "same"), (last.Code, System.Text.Encoding.UTF8.GetString(last.Payload.Span)));
        Assert.Equal((3, false), (EngineRig.BlockOf(last, OptionNumber.Block1).Number, EngineRig.BlockOf(last, OptionNumber.Block1).More));
        Assert.Equal(1, _rig.Resources.Runs);
        Assert.Equal(0, _rig.Engine.Uploads.Size.Bytes);
    }

    [Fact]
    public async Task A_server_with_small_blocks_asks_for_them_and_the_client_counts_on_in_the_new_size()
    {
        await using var rig = new EngineRig(options => options with { BlockSize = 256 });
        rig.Resources.Handler = _rig.Resources.Handler;
        var first = rig.Exchange(rig.Request(CoapCode.Put, "file", [EngineRig.Block1(0, true, 1024)], _body[..1024]));
        Assert.Equal(256, EngineRig.BlockOf(first, OptionNumber.Block1).Size);
        CoapMessage last = first;
        for (var number = 4; number * 256 < _body.Length; number++)
        {
            var end = Math.Min((number + 1) * 256, _body.Length);
            last = rig.Exchange(rig.Request(CoapCode.Put, "file", [EngineRig.Block1(number, end < _body.Length, 256)], _body[(number * 256)..end]));
        }

        Assert.Equal("same"u8, last.Payload.Span);
    }

    [Fact]
    public void A_missing_block_is_4_08()
    {
        _rig.Exchange(Block(0, 512));
        Assert.Equal(CoapCode.RequestEntityIncomplete, _rig.Exchange(Block(2, 512)).Code);
        Assert.Equal(0, _rig.Resources.Runs);
    }

    [Fact]
    public void Block_0_starts_anew()
    {
        _rig.Exchange(Block(0, 1024));
        _rig.Exchange(Block(1, 1024));
        A_body_in_blocks_runs_once_and_whole();
    }

    [Fact]
    public void An_upload_that_stands_still_is_forgotten()
    {
        _rig.Exchange(Block(0, 1024));
        Assert.Equal(1, _rig.Engine.Uploads.Size.Count);
        _rig.Time.Advance(94);
        Assert.Equal((0, 0), _rig.Engine.Uploads.Size);
        Assert.Equal(CoapCode.RequestEntityIncomplete, _rig.Exchange(Block(1, 1024)).Code);
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_4_13_with_the_limit_in_Size1()
    {
        await using var rig = new EngineRig(options => options with { MaxBody = 2000 });
        var announced = rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(0, true, 1024), CoapOption.OfUInt(OptionNumber.Size1, 4000)], _body[..1024]));
        Assert.Equal(CoapCode.RequestEntityTooLarge, announced.Code);
        Assert.True(announced.TryGetOption(OptionNumber.Size1, out var limit));
        Assert.Equal(2000u, limit.AsUInt());

        Assert.Equal(CoapCode.Continue, rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(0, true, 1024)], _body[..1024])).Code);
        Assert.Equal(CoapCode.RequestEntityTooLarge, rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(1, true, 1024)], _body[1024..2048])).Code);
        Assert.Equal((0, 0), rig.Engine.Uploads.Size);
    }

    [Fact]
    public void A_datagram_that_is_too_large_is_4_13_with_the_block_size_to_come_again_in()
    {
        var answer = _rig.Exchange(_rig.Request(CoapCode.Put, "f", payload: new byte[5000]));
        Assert.Equal((CoapCode.RequestEntityTooLarge, 1024), (answer.Code, EngineRig.BlockOf(answer, OptionNumber.Block1).Size));
    }

    [Fact]
    public void A_block_of_a_wrong_length_and_the_reserved_size_are_bad_requests()
    {
        Assert.Equal(CoapCode.BadRequest, _rig.Exchange(_rig.Request(CoapCode.Put, "f", [EngineRig.Block1(0, true, 64)], new byte[63])).Code);
        Assert.Equal(CoapCode.BadRequest, _rig.Exchange(_rig.Request(CoapCode.Put, "f", [CoapOption.OfUInt(OptionNumber.Block1, 7)], new byte[63])).Code);
    }

    [Fact]
    public void Uploads_to_two_resources_from_two_endpoints_and_under_two_tags_do_not_mix()
    {
        CoapOption[] tag = [new CoapOption(OptionNumber.RequestTag, new byte[] { 1 })];
        byte[] other = [.. _body.Reverse()];
        for (var number = 0; number < 4; number++)
        {
            _rig.Client = EngineRig.Local;
            var plain = _rig.Exchange(Block(number, 1024));
            var tagged = _rig.Exchange(Block(number, 1024, other, tag));
            _rig.Client = EngineRig.Stranger;
            var foreign = _rig.Exchange(Block(number, 1024));
            if (number < 3) continue;
            Assert.Equal("same"u8, plain.Payload.Span);
            Assert.Equal("other"u8, tagged.Payload.Span);
            Assert.Equal("same"u8, foreign.Payload.Span);
        }
    }

    [Fact]
    public void A_retransmitted_last_block_is_answered_again_and_does_not_run_again()
    {
        for (var number = 0; number < 3; number++) _rig.Exchange(Block(number, 1024));
        var last = Block(3, 1024);
        var answer = _rig.Exchange(last);
        Assert.Equal(answer, _rig.Exchange(last));
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void A_block_that_is_sent_again_under_a_new_id_is_taken_as_it_is()
    {
        _rig.Exchange(Block(0, 1024));
        _rig.Exchange(Block(1, 1024));
        _rig.Exchange(Block(2, 1024));
        Assert.Equal(CoapCode.Continue, _rig.Exchange(Block(1, 1024)).Code);
        Assert.Equal(CoapCode.RequestEntityIncomplete, _rig.Exchange(Block(1, 1024, [.. _body.Reverse()])).Code);
        Assert.Equal("same"u8, _rig.Exchange(Block(3, 1024)).Payload.Span);
    }

    [Fact]
    public void A_last_block_that_is_sent_again_under_a_new_id_is_acknowledged_and_does_not_run_again()
    {
        A_body_in_blocks_runs_once_and_whole();
        Assert.Equal(CoapCode.Continue, _rig.Exchange(Block(2, 1024)).Code);
        var again = _rig.Exchange(Block(3, 1024));
        Assert.Equal((CoapMessageType.Acknowledgement, CoapCode.Empty), (again.Type, again.Code));
        Assert.Equal(1, _rig.Resources.Runs);
        _rig.Time.Advance(94);
        Assert.Equal((0, 0), _rig.Engine.Uploads.Size);
    }

    [Fact]
    public void A_refused_upload_ends_at_its_first_block()
    {
        _rig.Resources.Refusal = static _ => CoapResponse.Error(CoapCode.NotFound);
        Assert.Equal(CoapCode.NotFound, _rig.Exchange(Block(0, 1024)).Code);
        Assert.Equal((0, 0), _rig.Engine.Uploads.Size);
    }

    [Fact]
    public void The_content_format_of_the_first_block_is_that_of_the_body()
    {
        int? format = null;
        _rig.Resources.Handler = (request, _) =>
        {
            format = request.ContentFormat;
            return new(CoapResponse.Changed);
        };
        _rig.Exchange(_rig.Request(CoapCode.Put, "f", [CoapOption.OfUInt(OptionNumber.ContentFormat, 50), EngineRig.Block1(0, true, 16)], new byte[16]));
        _rig.Exchange(_rig.Request(CoapCode.Put, "f", [EngineRig.Block1(1, false, 16)], new byte[1]));
        Assert.Equal(50, format);
    }

    [Fact]
    public async Task A_flood_of_first_blocks_does_not_push_out_an_upload_that_goes_on()
    {
        await using var rig = new EngineRig(options => options with { MaxTransfers = 8 });
        Assert.Equal(CoapCode.Continue, rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(0, true, 16)], new byte[16])).Code);
        Assert.Equal(CoapCode.Continue, rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(1, true, 16)], new byte[16])).Code);
        for (var i = 1; i <= 1000; i++)
        {
            rig.Client = EngineRig.Stranger with { Port = (ushort)i };
            rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(0, true, 16)], new byte[16]));
        }

        Assert.Equal(8, rig.Engine.Uploads.Size.Count);
        rig.Client = EngineRig.Local;
        Assert.Equal(CoapCode.Content, rig.Exchange(rig.Request(CoapCode.Put, "f", [EngineRig.Block1(2, false, 16)], new byte[16])).Code);
    }
}
