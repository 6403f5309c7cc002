using Reheat.Core.Annotations;
using Reheat.V1;
using Xunit;
using AnnotationList = Reheat.V1.AnnotationList;
using Operation = Reheat.V1.Operation;

namespace Reheat.Loop.Tests.Rounds;

/// <summary>Lists over builds of a series: what is annotated traps no more, and stays annotated.</summary>
public sealed class FixpointTests
{
    [Fact]
    public async Task Rounds_reach_a_fixpoint_also_through_a_self_testing_build_and_sites_that_do_not_run()
    {
        await using RoundServer rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain), padded = RoundImage.Build(Sites.Padded), moved = RoundImage.Build(Sites.Moved);
        long first = await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        AnnotationList one = await rounds.PullAsync(first);
        Assert.Equal(["poll 2", "poll 4", "rare 0", "swap 0"], RoundServer.SitesOf(one));

        long second = await rounds.RegisterAsync(padded);
        AnnotationList unobserved = await rounds.PullAsync(second);
        await rounds.RunAsync(padded, new Seen("poll_read", Operation.DeviceRead, "lapic", 0, 69), new Seen("swap_site", Operation.DeviceExchange, "ioapic", 0, 3));
        AnnotationList two = await rounds.PullAsync(second);
        long third = await rounds.RegisterAsync(moved);
        await rounds.RunAsync(moved, new Seen("poll_read", Operation.DeviceRead, "lapic", 0, 5), new Seen("poll_write", Operation.DeviceWrite, "lapic", 0, 1));
        AnnotationList three = await rounds.PullAsync(third);

        Assert.Equal((one.Body, one.Body, one.Body), (unobserved.Body, two.Body, three.Body));
        Assert.Equal([0, 0, 0, 0], RoundServer.ProvenanceOf(unobserved).Values.Select(s => s.Age));
        Dictionary<string, SiteProvenance> last = RoundServer.ProvenanceOf(three);
        Assert.Equal((0, 0, 2, 1), (last["poll 2"].Age, last["poll 4"].Age, last["rare 0"].Age, last["swap 0"].Age));
        Assert.Equal((5, 0), (last["poll 2"].Hits, last["rare 0"].Hits));
        Assert.All(last.Values, s => Assert.Equal((moved.BuildId, 1.0), (s.Image, s.Confidence)));
        Assert.Equal(moved["rare_site"], last["rare 0"].Address.Value);
        // The same input again, the same bytes.
        Assert.Equal((three.Body, three.Provenance, three.Version), ((await rounds.PullAsync(third)) is var again ? (again.Body, again.Provenance, again.Version) : default));
    }

    [Fact]
    public async Task A_thunks_access_is_its_sites_by_whichever_address_a_wedge_names_it()
    {
        await using RoundServer rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain), moved = RoundImage.Build(Sites.Moved);
        long first = await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, new Seen("poll_read", Operation.DeviceRead, "lapic", 1));
        long second = await rounds.RegisterAsync(moved);
        await rounds.RunAsync(moved, new Seen("poll_read_access", Operation.DeviceRead, "lapic", 4));

        Assert.Equal((await rounds.PullAsync(first)).Body, (await rounds.PullAsync(second)).Body);
        Assert.Equal(0, RoundServer.ProvenanceOf(await rounds.PullAsync(second))["poll 2"].Age);
    }

    [Fact]
    public async Task A_site_that_builds_observed_enough_did_not_run_is_dropped_after_as_many_as_the_policy_says()
    {
        await using RoundServer rounds = await RoundServer.StartAsync(o => o with { KeepBuilds = 2, MinimumObserved = 10 });
        RoundImage plain = RoundImage.Build(Sites.Plain);
        await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        var lists = new List<string>();
        for (int version = 1; version <= 4; version++)
        {
            RoundImage image = RoundImage.Build(Sites.Padded, version);
            long build = await rounds.RegisterAsync(image);
            // The second of these builds is hardly observed: it ages nothing.
            await rounds.RunAsync(image, new Seen("poll_read", Operation.DeviceRead, "lapic", 0, version == 2 ? 9UL : 10UL));
            lists.Add(string.Join(", ", RoundServer.SitesOf(await rounds.PullAsync(build))));
        }

        Assert.Equal(["poll 2, poll 4, rare 0, swap 0", "poll 2, poll 4, rare 0, swap 0", "poll 2", "poll 2"], lists);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public async Task A_hit_or_a_trap_makes_a_site_young_again(ulong traps, ulong hits)
    {
        await using RoundServer rounds = await RoundServer.StartAsync(o => o with { KeepBuilds = 2 });
        RoundImage plain = RoundImage.Build(Sites.Plain);
        await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        long build = 0;
        for (int version = 1; version <= 5; version++)
        {
            RoundImage image = RoundImage.Build(Sites.Padded, version);
            build = await rounds.RegisterAsync(image);
            await rounds.RunAsync(image, new Seen(version % 2 == 0 ? "rare_site" : "poll_read", version % 2 == 0 ? Operation.DeviceWrite : Operation.DeviceRead, "x", traps, hits));
        }

        Assert.Equal(["poll 2", "rare 0"], RoundServer.SitesOf(await rounds.PullAsync(build)));
    }

    [Fact]
    public async Task Sites_of_a_changed_function_are_found_again_with_less_confidence_and_under_its_new_fingerprint()
    {
        await using RoundServer rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain), changed = RoundImage.Build(Sites.Padded, 0, "-DDRIFT");
        long first = await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        AnnotationList before = await rounds.PullAsync(first);
        long second = await rounds.RegisterAsync(changed);
        await rounds.RunAsync(changed, new Seen("poll_write", Operation.DeviceWrite, "lapic", 3));

        AnnotationList after = await rounds.PullAsync(second);

        Assert.Equal(["poll 4", "poll 6", "rare 0", "swap 0"], RoundServer.SitesOf(after));
        Dictionary<string, SiteProvenance> sites = RoundServer.ProvenanceOf(after);
        Assert.Equal(changed["poll_read"], sites["poll 4"].Address.Value);
        Assert.NotEqual(RoundServer.ProvenanceOf(before)["poll 2"].Site.Fingerprint, sites["poll 4"].Site.Fingerprint);
        Assert.Equal(sites["poll 6"].Site.Fingerprint, sites["poll 4"].Site.Fingerprint);
        Assert.InRange(sites["poll 4"].Confidence, 0.5, 0.99);
        Assert.Equal((1.0, 1.0), (sites["poll 6"].Confidence, sites["rare 0"].Confidence));
    }

    [Fact]
    public async Task A_site_whose_image_or_function_the_build_has_not_is_kept_under_the_name_it_had()
    {
        await using RoundServer rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain);
        Fixtures.TestImage other = Fixtures.TestImage.Get(20);
        long first = await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        AnnotationList before = await rounds.PullAsync(first);
        long second = (await Fixtures.Uploads.RegisterAsync(rounds.Server, "s", other.Path)).Build.Build_;

        AnnotationList after = await rounds.PullAsync(second);

        Assert.Equal(before.Body, after.Body);
        Assert.All(RoundServer.ProvenanceOf(after).Values, s => Assert.Equal((plain.BuildId, true), (s.Image, s.Confidence < 1)));
    }

    [Fact]
    public async Task Late_traces_of_a_build_reach_the_lists_of_the_builds_after_it()
    {
        await using RoundServer rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain), padded = RoundImage.Build(Sites.Padded), next = RoundImage.Build(Sites.Padded, 1);
        await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun[0]);
        await rounds.RegisterAsync(padded);
        long third = await rounds.RegisterAsync(next);
        Assert.Equal(["poll 2"], RoundServer.SitesOf(await rounds.PullAsync(third)));

        await rounds.RunAsync(plain, RoundServer.FirstRun[2]);

        Assert.Equal(["poll 2", "swap 0"], RoundServer.SitesOf(await rounds.PullAsync(third)));
    }

    [Fact]
    public async Task A_quorum_that_was_met_once_is_not_asked_for_again()
    {
        await using RoundServer rounds = await RoundServer.StartAsync(o => o with { MinimumTraps = 50 });
        RoundImage plain = RoundImage.Build(Sites.Plain), padded = RoundImage.Build(Sites.Padded);
        await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        long second = await rounds.RegisterAsync(padded);
        await rounds.RunAsync(padded, new Seen("poll_read", Operation.DeviceRead, "lapic", 0, 3), new Seen("swap_site", Operation.DeviceExchange, "ioapic", 0, 3));

        AnnotationList list = await rounds.PullAsync(second);

        Assert.Equal(["poll 2"], RoundServer.SitesOf(list));
        Assert.Equal(0, RoundServer.ProvenanceOf(list)["poll 2"].Age);
        Assert.Equal(1, list.Refused);
    }

    [Fact]
    public async Task What_people_deny_is_gone_at_once_and_what_they_allow_is_added()
    {
        await using RoundServer rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain), padded = RoundImage.Build(Sites.Padded);
        await rounds.RegisterAsync(plain);
        await rounds.RunAsync(plain, RoundServer.FirstRun);
        long second = await rounds.RegisterAsync(padded);
        await rounds.RunAsync(padded, new Seen("swap_site", Operation.DeviceExchange, "ioapic", 4));
        Assert.Equal(4, (await rounds.PullAsync(second)).Annotations);

        SetByHandResponse set = await rounds.Server.Annotations.SetByHandAsync(new SetByHandRequest
        {
            Series = "s",
            Body = "reheat-annotations 1.0\nby-hand\nunit *\nfunction swap\n  deny *\nfunction rare *\n  deny 0\nfunction by_hand\n  allow 3 write:4:lapic\n",
        });
        AnnotationList list = await rounds.PullAsync(second);

        Assert.Equal((1, 2), (set.Allowed, set.Denied));
        Assert.Equal(["allow by_hand 3", "deny rare 0", "deny swap -1", "poll 2", "poll 4"], RoundServer.SitesOf(list).Order(StringComparer.Ordinal));
        Assert.Equal(3, list.Annotations);
        Assert.Equal([("refused: denied-by-hand", "not listed: denied-by-hand")],
            await rounds.Database.RowsAsync<(string, string)>("SELECT DISTINCT state, reason FROM reheat.sites WHERE build = 1 AND function = 'swap'"));

        await rounds.Server.Annotations.SetByHandAsync(new SetByHandRequest { Series = "s" });
        Assert.Equal(["poll 2", "poll 4", "rare 0", "swap 0"], RoundServer.SitesOf(await rounds.PullAsync(second)));
    }
}
