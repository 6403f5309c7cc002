namespace Reheat.Cli.SecondPass;

/// <summary>
/// One second pass at a time in a tree. make and what it starts inherit the lock: a build that outlives a reheat which was killed holds it
/// still, so that the next one does not work beside it.
/// </summary>
internal sealed class TreeLock : IDisposable
{
    private readonly int _descriptor;

    private TreeLock(int descriptor) => _descriptor = descriptor;

    /// <summary>Takes the lock, waiting for another pass or what one left behind.</summary>
    /// <exception cref="CommandException">The lock file cannot be opened.</exception>
    public static async Task<TreeLock> TakeAsync(BuildTree tree, Action<string> say, CancellationToken cancel)
    {
        string path = tree.State("lock");
        int descriptor = Posix.OpenInherited(path);
        if (descriptor < 0)
            throw new CommandException(ExitCode.Failure, $"cannot open {path}: is the tree writable?");
        var taken = new TreeLock(descriptor);
        try
        {
            for (bool said = false; !Posix.TryLock(descriptor); said = true)
            {
                if (!said)
                    say($"another second pass of {tree.Root}, or a build that one left behind, still goes on: waiting for it (fuser {path} names its processes)");
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancel);
            }
            return taken;
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    public void Dispose() => _ = Posix.Close(_descriptor);
}
