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

    private static string Stat(string path) => Tool.Run("stat", "-c", "%U %a", path);
}
