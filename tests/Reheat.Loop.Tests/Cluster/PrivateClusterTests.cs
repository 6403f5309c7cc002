using Microsoft.Extensions.Logging.Abstractions;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Cluster;
using Xunit;

namespace Reheat.Loop.Tests.Cluster;

public sealed class PrivateClusterTests
{
    [Fact]
    public async Task A_directory_that_exists_keeps_its_owner_and_mode_and_is_used_only_if_the_server_can_write_to_it()
    {
        using var scratch = new Scratch();
        string theirs = Directory.CreateDirectory(scratch.File("theirs"), UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead).FullName;
        string before = Stat(theirs);

        // root may write everywhere; PostgreSQL runs as somebody else then.
        PrivateClusterException refused = await Assert.ThrowsAsync<PrivateClusterException>(
            () => PrivateCluster.StartAsync(theirs, NullLogger.Instance, CancellationToken.None));

        Assert.Contains($"{theirs} exists, and user ", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, Stat(theirs));
        Assert.Empty(Directory.EnumerateFileSystemEntries(theirs));
    }

    [Fact]
    public async Task A_directory_with_other_things_in_it_is_refused_and_left_alone()
    {
        using var scratch = new Scratch();
        string theirs = Directory.CreateDirectory(scratch.File("theirs")).FullName;
        File.SetUnixFileMode(theirs, (UnixFileMode)0b111_111_111);
        await File.WriteAllTextAsync(Path.Combine(theirs, "thesis.tex"), "");

        PrivateClusterException refused = await Assert.ThrowsAsync<PrivateClusterException>(
            () => PrivateCluster.StartAsync(theirs, NullLogger.Instance, CancellationToken.None));

        Assert.Contains("thesis.tex", refused.Message, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateFileSystemEntries(theirs));
    }

    [Fact]
    public async Task A_directory_is_used_by_one_process_at_a_time()
    {
        string directory = TestCluster.NewDirectory();
        await using (await PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None))
        {
            PrivateClusterException refused = await Assert.ThrowsAsync<PrivateClusterException>(
                () => PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None));
            Assert.Contains($"(pid {Environment.ProcessId}) uses {directory}", refused.Message, StringComparison.Ordinal);
        }
        await using (await PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None))
            Assert.True(Directory.Exists(directory));
        Directory.Delete(directory, recursive: true);
    }

    private static string Stat(string path) => Tool.Run("stat", "-c", "%U %a", path);
}
