namespace Reheat.Cli.SecondPass;

/// <summary>
/// One second pass at a time in a tree. A pass holds a lock of its own, and another that make and what it starts inherit: a build that
/// outlives a reheat which was killed holds that still, so that the next pass does not work beside it.
/// </summary>
internal sealed class TreeLock : IDisposable
{
    // For compilers whose make was killed. What lasts longer, and is no make, is a program that a recipe left in the background.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly int _pass;
    private readonly int _build;

    private TreeLock(int pass, int build) => (_pass, _build) = (pass, build);

    /// <summary>Takes the lock, waiting for another pass or what one left behind.</summary>
    /// <exception cref="CommandException">The lock files cannot be opened, or waiting was in vain.</exception>
    public static async Task<TreeLock> TakeAsync(BuildTree tree, PassOptions options, Action<string> say, CancellationToken cancel)
    {
        string passing = tree.State("lock"), building = tree.State("building");
        int pass = Open(passing, Posix.OpenPrivate);
        int build = -1;
        try
        {
            if (!await WaitAsync(pass, passing, options.Patience, _ => options.Patience, $"another second pass of {tree.Root} goes on", say, cancel))
                throw Busy($"another second pass of {tree.Root} still goes on after {options.Patience.TotalSeconds} s", passing);
            build = Open(building, Posix.OpenInherited);
            string make = Path.GetFileName(options.Make);
            TimeSpan grace = Grace < options.Patience ? Grace : options.Patience;
            if (!await WaitAsync(build, building, options.Patience, holders => holders.Any(h => h.Program == make) ? options.Patience : grace,
                $"a build that an earlier pass of {tree.Root} left behind goes on", say, cancel))
            {
                if (LockHolder.Of(building).Any(h => h.Program == make))
                    throw Busy($"a build that an earlier pass of {tree.Root} left behind still goes on after {options.Patience.TotalSeconds} s", building);
                say($"{Names(building)}: left in the background by an earlier build, and taken for no part of it");
                _ = Posix.Close(build);
                File.Delete(building);
                build = Open(building, Posix.OpenInherited);
                _ = Posix.TryLock(build);
            }
            return new TreeLock(pass, build);
        }
        catch
        {
            _ = Posix.Close(build);
            _ = Posix.Close(pass);
            throw;
        }
    }

    public void Dispose()
    {
        _ = Posix.Close(_build);
        _ = Posix.Close(_pass);
    }

    // False if it was not free in time, which depends on who has it.
    private static async Task<bool> WaitAsync(
        int descriptor, string path, TimeSpan most, Func<IReadOnlyList<LockHolder>, TimeSpan> patience, string what, Action<string> say, CancellationToken cancel)
    {
        long began = TimeProvider.System.GetTimestamp();
        for (bool isSaid = false; !Posix.TryLock(descriptor); isSaid = true)
        {
            if (!isSaid)
                say($"{what}: waiting for it up to {most.TotalSeconds} s ({Names(path)})");
            if (TimeProvider.System.GetElapsedTime(began) >= patience(LockHolder.Of(path)))
                return false;
            await Task.Delay(Interval, cancel);
        }
        return true;
    }

    private static int Open(string path, Func<string, int> open) =>
        open(path) is >= 0 and int descriptor ? descriptor : throw new CommandException(ExitCode.Failure, $"cannot open {path}: is the tree writable?");

    private static CommandException Busy(string what, string path) => new(ExitCode.Busy, $"{what}: {Names(path)} — end it, or wait longer with --wait SECONDS");

    private static string Names(string path) => LockHolder.Of(path) is { Count: > 0 } holders ? string.Join(", ", holders) : "processes of another user";
}
