using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Builds;
using Reheat.V1;
using Xunit;
using NewImage = Reheat.V1.NewImage;

namespace Reheat.Loop.Tests.Builds;

public sealed class BuildTests : IAsyncLifetime
{
    private readonly Scratch _scratch = new();
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Registered_images_are_listed_and_found_by_number_series_and_build_id()
    {
        AddBuildResponse one = await _server.RegisterAsync("s1", TestImage.Get(1).Path);
        AddBuildResponse two = await _server.RegisterAsync("s2", TestImage.Get(2).Path, TestImage.Get(1).Path);

        Assert.False(one.Existed || two.Existed);
        Assert.Equal([two.Build.Build_, one.Build.Build_], (await _server.Builds.ListAsync(new ListBuildsRequest())).Builds.Select(b => b.Build_));
        Assert.Equal([one.Build.Build_], (await _server.Builds.ListAsync(new ListBuildsRequest { Series = "s1" })).Builds.Select(b => b.Build_));
        Assert.Equal(["device2.elf", "device1.elf"], (await _server.Builds.GetAsync(new BuildSelector())).Images.Select(i => i.Name));
        Assert.Equal(one.Build, await _server.Builds.GetAsync(new BuildSelector { Series = "s1" }));
        Assert.Equal(one.Build, await _server.Builds.GetAsync(new BuildSelector { Build = one.Build.Build_ }));
        Assert.Equal(two.Build.Build_, (await _server.Builds.GetAsync(new BuildSelector { BuildId = TestImage.Get(2).BuildId.ToString()[..8] })).Build_);
        RpcException none = await Assert.ThrowsAsync<RpcException>(async () => await _server.Builds.GetAsync(new BuildSelector { BuildId = "00000000" }));
        Assert.Equal(StatusCode.NotFound, none.StatusCode);
    }

    [Fact]
    public async Task The_same_images_again_are_the_build_that_exists_and_nothing_is_uploaded_twice()
    {
        AddBuildResponse first = await _server.RegisterAsync("s", TestImage.Get(1).Path);
        long parts = await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.parts");

        AddBuildResponse again = await _server.RegisterAsync("s", TestImage.Get(1).Path);
        AddBuildResponse elsewhere = await _server.RegisterAsync("t", TestImage.Get(1).Path);

        Assert.True(again.Existed);
        Assert.Equal(first.Build.Build_, again.Build.Build_);
        Assert.False(elsewhere.Existed);
        Assert.Equal(parts, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.parts"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_a_stripped_and_a_whole_copy_the_richer_one_stays_whichever_came_first(bool strippedFirst)
    {
        TestImage image = TestImage.Get(1);
        string[] copies = [image.Stripped(_scratch), image.Path];
        foreach (string copy in strippedFirst ? copies : copies.Reverse())
            await _server.RegisterAsync("s", copy);
        IReadOnlyList<short> kinds = await _database.RowsAsync<short>("SELECT DISTINCT kind FROM reheat_data.image_parts ORDER BY kind");

        Assert.Contains((short)PartKind.Lines, kinds);
        Assert.Contains((short)PartKind.Units, kinds);
        Assert.Single((await _server.Builds.ListAsync(new ListBuildsRequest())).Builds);
    }

    [Fact]
    public async Task A_part_that_does_not_hash_to_its_name_is_refused_and_not_kept()
    {
        byte[] raw = [1, 2, 3];
        byte[] name = SHA256.HashData([9]);
        (byte[] Packed, ulong Size, string Message)[] cases =
        [
            (PartStore.Pack(raw), 3, "hashes to"),
            (PartStore.Pack(raw), 2, "more than the 2 bytes"),
            (PartStore.Pack(raw), 4, "unpacks to 3 bytes, not the 4"),
            ([0xff, 0xff, 0xff, 0xff, 0xff], 3, "part"),
        ];
        foreach ((byte[] packed, ulong size, string message) in cases)
        {
            Status refused = await _server.RefusedAsync(Build(), Image([name]), Part(name, packed, size));
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.Contains(message, refused.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.parts"));
        Assert.Empty((await _server.Builds.ListAsync(new ListBuildsRequest())).Builds);
    }

    [Fact]
    public async Task A_part_that_is_missing_is_named_and_what_was_sent_before_need_not_be_sent_again()
    {
        byte[] raw = [1, 2, 3];
        byte[] here = SHA256.HashData(raw), missing = SHA256.HashData([9]);
        Status refused = await _server.RefusedAsync(Build(), Image([here, missing]), Part(here, PartStore.Pack(raw), 3));

        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Contains(Convert.ToHexStringLower(missing)[..12], refused.Detail, StringComparison.Ordinal);
        Assert.Empty((await _server.Builds.ListAsync(new ListBuildsRequest())).Builds);
        var ask = new MissingPartsRequest { Sha256 = { ByteString.CopyFrom(here), ByteString.CopyFrom(missing) } };
        Assert.Equal([ByteString.CopyFrom(missing)], (await _server.Builds.MissingPartsAsync(ask)).Sha256);
    }

    [Fact]
    public async Task Requests_out_of_order_or_malformed_are_refused_with_what_was_expected()
    {
        byte[] hash = SHA256.HashData([9]);
        AddBuildRequest Broken(Action<NewImage> change)
        {
            AddBuildRequest request = Image([hash]);
            change(request.Image);
            return request;
        }
        (AddBuildRequest[] Requests, string Message)[] cases =
        [
            ([Image([])], "unexpected Image"),
            ([Build(), Part(hash, [1], 1)], "unexpected Part"),
            ([Build(), Build()], "unexpected Build"),
            ([Build()], "ended without an image"),
            ([Build("a b")], "series \"a b\""),
            ([Build(), Broken(i => i.BuildId = ByteString.Empty)], "build-id of 0 bytes"),
            ([Build(), Broken(i => i.Machine = 40)], "machine 40"),
            ([Build(), Broken(i => i.Name = "")], "name has 0 characters"),
            ([Build(), Broken(i => i.Name = "a\0b")], "no control characters"),
            ([Build(), Broken(i => i.Parts.Add(i.Parts[0].Clone()))], "names a part twice"),
            ([Build(), Image([]), Image([])], "occurs twice in the build"),
        ];
        foreach ((AddBuildRequest[] requests, string message) in cases)
        {
            Status refused = await _server.RefusedAsync(requests);
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.Contains(message, refused.Detail, StringComparison.Ordinal);
        }
    }

    private static AddBuildRequest Build(string series = "s") => new() { Build = new NewBuild { Series = series } };

    private static AddBuildRequest Image(byte[][] parts)
    {
        var image = new NewImage { BuildId = ByteString.CopyFrom(1, 2, 3), Name = "vmlinux", Machine = 62, FileSize = 1 };
        image.Parts.AddRange(parts.Select((hash, i) => new PartRef { Kind = PartKind.Section, Index = (uint)i, Sha256 = ByteString.CopyFrom(hash) }));
        return new AddBuildRequest { Image = image };
    }

    private static AddBuildRequest Part(byte[] hash, byte[] packed, ulong size) =>
        new() { Part = new Part { Sha256 = ByteString.CopyFrom(hash), RawSize = size, Packed = ByteString.CopyFrom(packed), Last = true } };
}
