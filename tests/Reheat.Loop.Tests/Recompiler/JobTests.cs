using Dapper;
using Npgsql;
using Reheat.Collector.Annotations;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Lists;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Recompiler;

/// <summary>Jobs: claimed by one of many workers, never lost with a worker.</summary>
public sealed class JobTests : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Many_workers_that_claim_at_once_get_each_job_once()
    {
        var jobs = new JobStore(_database.Source);
        for (int build = 1; build <= 5; build++)
            await jobs.QueueAsync(JobKind.Annotate, build, CancellationToken.None);
        Assert.Equal(await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None), await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None));

        JobRow?[] claimed = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => jobs.ClaimAsync($"worker{i}", TimeSpan.FromMinutes(1), CancellationToken.None)));

        Assert.Equal([1, 2, 3, 4, 5], claimed.OfType<JobRow>().Select(j => j.Build).Order());
    }

    [Fact]
    public async Task A_job_queued_while_its_build_is_worked_on_waits_for_that_worker()
    {
        var jobs = new JobStore(_database.Source);
        await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None);
        JobRow running = (await jobs.ClaimAsync("a", TimeSpan.FromMinutes(1), CancellationToken.None))!;
        await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None);

        Assert.Null(await jobs.ClaimAsync("b", TimeSpan.FromMinutes(1), CancellationToken.None));
        await _database.ExecuteAsync("UPDATE reheat_data.jobs SET worker_until = now() - interval '1 second' WHERE state = 'running'");
        JobRow taken = (await jobs.ClaimAsync("b", TimeSpan.FromMinutes(1), CancellationToken.None))!;

        Assert.Equal((running.Job, 2), (taken.Job, taken.Attempts));
        Assert.False(await jobs.KeepAsync(running.Job, "a", TimeSpan.FromMinutes(1), CancellationToken.None));
        Assert.True(await jobs.KeepAsync(running.Job, "b", TimeSpan.FromMinutes(1), CancellationToken.None));
    }

    [Fact]
    public async Task A_job_that_fails_is_tried_again_later_and_given_up_with_its_error()
    {
        var jobs = new JobStore(_database.Source);
        long job = await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None);
        for (int attempt = 1; attempt <= 5; attempt++)
        {
            await _database.ExecuteAsync("UPDATE reheat_data.jobs SET run_after = now()");
            Assert.Equal(attempt, (await jobs.ClaimAsync("a", TimeSpan.FromMinutes(1), CancellationToken.None))!.Attempts);
            await jobs.FailAsync(job, "a", $"error {attempt}", CancellationToken.None);
            Assert.Null(await jobs.ClaimAsync("a", TimeSpan.FromMinutes(1), CancellationToken.None));
        }
        Assert.Equal(new JobState("failed", "error 5"), await jobs.StateAsync(job, CancellationToken.None));
    }

    [Fact]
    public async Task A_worker_that_died_is_replaced_and_its_late_result_thrown_away()
    {
        await using (LoopServer alone = await LoopServer.StartAsync(_database.ConnectionString))
            await alone.RegisterAsync("s", TestImage.Get().Path);
        var jobs = new JobStore(_database.Source);
        JobRow lost = (await jobs.ClaimAsync("dead", TimeSpan.FromSeconds(0.3), CancellationToken.None))!;

        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
        await Eventually.HoldsAsync(async () => (await jobs.StateAsync(lost.Job, CancellationToken.None))!.State == "done", "another worker did the job");

        var lists = new AnnotationListStore(_database.Source);
        Assert.Null(await lists.SaveAsync(lost, "dead", new ListResult("late", "late", 0, 0, []), CancellationToken.None));
        Assert.NotEqual("late", Assert.Single(await lists.ListAsync(lost.Build, CancellationToken.None)) is { } row ? (await lists.FindAsync(lost.Build, row.Version, CancellationToken.None))!.Body : "");
    }

    [Fact]
    public async Task A_job_that_takes_its_workers_with_it_is_given_up_after_its_attempts()
    {
        var jobs = new JobStore(_database.Source);
        long job = await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None);
        for (int attempt = 1; attempt <= 5; attempt++)
        {
            Assert.Equal((job, attempt), await jobs.ClaimAsync($"worker{attempt}", TimeSpan.FromMinutes(1), CancellationToken.None) is { } claimed ? (claimed.Job, claimed.Attempts) : default);
            await _database.ExecuteAsync("UPDATE reheat_data.jobs SET worker_until = now() - interval '1 second'");
        }

        Assert.Null(await jobs.ClaimAsync("last", TimeSpan.FromMinutes(1), CancellationToken.None));

        Assert.Equal(new JobState("failed", "worker worker5 died, at attempt 5 of 5"), await jobs.StateAsync(job, CancellationToken.None));
        Assert.NotEqual(job, await jobs.QueueAsync(JobKind.Annotate, 1, CancellationToken.None));
        Assert.NotNull(await jobs.ClaimAsync("last", TimeSpan.FromMinutes(1), CancellationToken.None)); // the build is not stuck behind it
    }

    [Fact]
    public async Task A_worker_that_stops_in_order_puts_its_job_back_at_once()
    {
        var jobs = new JobStore(_database.Source);
        await using NpgsqlConnection blocking = await _database.Source.OpenConnectionAsync();
        await blocking.ExecuteAsync("SELECT pg_advisory_lock(1)"); // lists of build 1 cannot be saved
        long job;
        await using (LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true, changeRecompiler: o => o with { Claim = TimeSpan.FromMinutes(10) }))
        {
            Assert.Equal(1, (await server.RegisterAsync("s", TestImage.Get().Path)).Build.Build_);
            job = await _database.ValueAsync<long>("SELECT max(job) FROM reheat_data.jobs");
            await Eventually.HoldsAsync(() => _database.ValueAsync<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"), "the worker waits for the lock");
        }

        Assert.Equal("queued", (await jobs.StateAsync(job, CancellationToken.None))!.State);
        Assert.Equal((job, 1), await jobs.ClaimAsync("heir", TimeSpan.FromMinutes(1), CancellationToken.None) is { } claimed ? (claimed.Job, claimed.Attempts) : default);
    }

    [Fact]
    public async Task Who_waits_for_a_job_that_was_given_up_for_a_later_one_waits_for_that_one()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString);
        var jobs = new JobStore(_database.Source);
        foreach (bool putBack in (bool[])[false, true])
        {
            long first = await jobs.QueueAsync(JobKind.Annotate, 7, CancellationToken.None);
            await jobs.ClaimAsync("a", TimeSpan.FromMinutes(1), CancellationToken.None);
            long second = await jobs.QueueAsync(JobKind.Annotate, 7, CancellationToken.None);
            Task<JobState> waiting = server.Services.GetRequiredService<JobWatch>().WaitAsync(first, CancellationToken.None);
            if (putBack)
                await jobs.PutBackAsync(first, "a", CancellationToken.None);
            else
                await jobs.FailAsync(first, "a", "broken", CancellationToken.None);

            JobRow claimed = (await jobs.ClaimAsync("b", TimeSpan.FromMinutes(1), CancellationToken.None))!;
            Assert.Equal((second, 1), (claimed.Job, claimed.Attempts));
            Assert.False(waiting.IsCompleted);
            await new AnnotationListStore(_database.Source).SaveAsync(claimed, "b", new ListResult("body", "", 0, 0, []), CancellationToken.None);
            Assert.Equal("done", (await waiting.WaitAsync(TimeSpan.FromSeconds(30))).State);
        }
    }

    [Fact]
    public async Task Two_recompilers_make_one_list()
    {
        await using LoopServer one = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
        await using LoopServer two = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
        await one.RegisterAsync("s", TestImage.Get().Path);
        AnnotationList[] pulled = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
            await (i % 2 == 0 ? one : two).Annotations.PullAsync(new PullRequest { Fresh = true })));

        Assert.All(pulled, list => Assert.Equal((1, pulled[0].Body), (list.Version, list.Body)));
        Assert.Single((await one.Annotations.ListAsync(new BuildSelector())).Lists);
    }
}
