namespace Reheat.Cli.SecondPass;

/// <summary>Which objects a second pass rebuilds.</summary>
internal sealed class PassPlan
{
    private readonly BuildTree _tree;
    private readonly Dictionary<string, ScannedObject> _objects;

    private PassPlan(BuildTree tree, Dictionary<string, ScannedObject> objects, SortedSet<string> rebuild)
    {
        _tree = tree;
        _objects = objects;
        Rebuild = rebuild;
    }

    /// <summary>Paths of the objects to rebuild; some may be absent already.</summary>
    public SortedSet<string> Rebuild { get; }

    /// <summary>How many there are that a second pass could rebuild.</summary>
    public int Total => _objects.Values.Count(o => o.IsOurs);

    /// <summary>Compares what each object was built with to what it should be built with.</summary>
    public static PassPlan Make(BuildTree tree, ListSlices slices, TreeState state, Dictionary<string, ScannedObject> objects)
    {
        var rebuild = new SortedSet<string>(StringComparer.Ordinal);
        foreach ((string path, ObjectState known) in state.Objects)
        {
            // Begun and not ended: whatever stands there now, perhaps half of an object.
            if (known.Dirty)
                rebuild.Add(path);
        }
        foreach ((string path, ScannedObject found) in objects)
        {
            if (found.IsOurs && BuiltWith(found, state) != slices.Hash(found.Facts))
                rebuild.Add(path);
        }
        return new PassPlan(tree, objects, rebuild);
    }

    /// <summary>The state to be on the disk before the first object goes.</summary>
    public TreeState Announce(TreeState state)
    {
        SortedDictionary<string, ObjectState> announced = new(state.Objects, StringComparer.Ordinal);
        foreach (string path in Rebuild)
        {
            announced[path] = announced.TryGetValue(path, out ObjectState? known)
                ? known with { Dirty = true }
                : new ObjectState(0, 0) { Dirty = true };
        }
        return state with { Objects = announced };
    }

    /// <summary>
    /// Takes the objects out of make's sight. Those known to be whole are kept until it is clear that make builds them anew: an object that
    /// no rule makes must not be lost.
    /// </summary>
    public void TakeAway(TreeState before)
    {
        foreach (string path in Rebuild)
        {
            string full = _tree.Full(path), kept = _tree.Kept(path);
            if (!File.Exists(full))
                continue;
            Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
            if (before.Objects.TryGetValue(path, out ObjectState? known) && known.Dirty)
            {
                File.Delete(kept);
                File.Delete(full);
            }
            else
                File.Move(full, kept, overwrite: true);
        }
    }

    /// <summary>Puts back, as it was, what make did not build; the rest is dropped. Returns what was put back.</summary>
    public HashSet<string> PutBack()
    {
        var back = new HashSet<string>(StringComparer.Ordinal);
        foreach (string path in Rebuild)
        {
            string full = _tree.Full(path), kept = _tree.Kept(path);
            if (!File.Exists(kept) || File.Exists(full))
                continue;
            File.Move(kept, full);
            back.Add(path);
        }
        if (Directory.Exists(_tree.State("kept")))
            Directory.Delete(_tree.State("kept"), recursive: true);
        return back;
    }

    // Null: with records, but nobody knows of which list.
    private static string? BuiltWith(ScannedObject found, TreeState state)
    {
        if (state.Objects.TryGetValue(found.Path, out ObjectState? known) && known.Describes(found.File))
            return known.Slice;
        return found.Facts.HasRecords ? null : ListSlices.Plain;
    }
}
