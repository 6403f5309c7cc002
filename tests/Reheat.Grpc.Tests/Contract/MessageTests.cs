using System.Text;
using Grpc.Core;
using Xunit;

namespace Reheat.Grpc.Tests.Contract;

public sealed class MessageTests
{
    [Fact]
    public void Each_form_of_a_marshaller_is_made_from_the_other()
    {
        var contextual = Marshallers.Create<string>(
            (text, context) =>
            {
                context.SetPayloadLength(text.Length);
                Encoding.UTF8.GetBytes(text, context.GetBufferWriter());
                context.Complete();
            },
            context => $"{Encoding.UTF8.GetString(context.PayloadAsReadOnlySequence())} ({context.PayloadLength})");
        Assert.Equal("abc"u8, contextual.Serializer("abc"));
        Assert.Equal("abc (3)", contextual.Deserializer("abc"u8.ToArray()));
        Assert.Equal("é", Marshallers.StringMarshaller.Deserializer(Marshallers.StringMarshaller.Serializer("é")));
    }

    [Fact]
    public void A_serializer_that_completes_never_or_twice_is_found_out()
    {
        static string None(DeserializationContext context) => "";
        Assert.Throws<InvalidOperationException>(() => new Marshaller<string>((_, _) => { }, None).Serializer("x"));
        Assert.Throws<InvalidOperationException>(() => new Marshaller<string>(
            (_, context) =>
            {
                context.Complete([]);
                context.Complete();
            },
            None).Serializer("x"));
    }

    [Fact]
    public void A_status_tells_code_detail_and_cause()
    {
        var cause = new IOException("broken");
        var status = new Status(StatusCode.Unavailable, "later", cause);
        Assert.Equal("Status(StatusCode=\"Unavailable\", Detail=\"later\", DebugException=\"System.IO.IOException: broken\")", status.ToString());
        Assert.Equal("", default(Status).Detail);
        Assert.Equal(StatusCode.OK, default(Status).StatusCode);

        var e = new RpcException(status);
        Assert.Equal(status.ToString(), e.Message);
        Assert.Same(cause, e.InnerException);
        Assert.Empty(e.Trailers);
        Assert.Equal("said otherwise", new RpcException(status, [], "said otherwise").Message);
    }

    [Fact]
    public void Options_are_copied_not_changed()
    {
        var options = new CallOptions(deadline: DateTime.UnixEpoch);
        CallOptions changed = options.WithHeaders([]).WithWaitForReady().WithWriteOptions(new WriteOptions(WriteFlags.NoCompress));
        Assert.Null(options.Headers);
        Assert.False(options.IsWaitForReady);
        Assert.NotNull(changed.Headers);
        Assert.True(changed.IsWaitForReady);
        Assert.Equal(WriteFlags.NoCompress, changed.WriteOptions!.Flags);
        Assert.Equal(DateTime.UnixEpoch, changed.Deadline);
    }
}
