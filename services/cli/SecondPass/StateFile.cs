using System.Text.Json;

namespace Reheat.Cli.SecondPass;

/// <summary><c>.reheat/objects.json</c>: replaced as a whole and on the disk before what it announces is done.</summary>
internal sealed class StateFile(BuildTree tree)
{
    private string Path => tree.State("objects.json");

    /// <summary>The state, empty if there is none yet. One that cannot be read makes no object trusted.</summary>
    /// <exception cref="CommandException">It is of a newer version.</exception>
    public TreeState Read(Action<string> say)
    {
        if (!File.Exists(Path))
            return new TreeState();
        try
        {
            TreeState? state = JsonSerializer.Deserialize(File.ReadAllBytes(Path), TreeStateJson.Default.TreeState);
            if (state is { Reheat: > TreeState.FormatVersion })
                throw new CommandException(ExitCode.BadInput, $"{Path} is of version {state.Reheat}, this reads {TreeState.FormatVersion} — use the newer reheat, or delete the file");
            if (state is { Reheat: TreeState.FormatVersion })
                return state with { Objects = new(state.Objects, StringComparer.Ordinal) };
        }
        catch (JsonException)
        {
            // Said below: the objects themselves tell which of them are annotated.
        }
        say($"{Path} cannot be read; every object with records in it is rebuilt");
        return new TreeState();
    }

    /// <summary>Replaces the state: after a crash at any moment the old or the new one is there.</summary>
    /// <exception cref="CommandException">It cannot be written; the old one is there.</exception>
    public void Write(TreeState state) => BuildTree.Write(Path, () =>
    {
        string fresh = Path + ".new";
        using (var file = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(file, state, TreeStateJson.Default.TreeState);
            file.Flush(flushToDisk: true);
        }
        File.Move(fresh, Path, overwrite: true);
        Posix.SyncDirectory(tree.StateDirectory);
    });
}
