namespace Reheat.Cli.SecondPass;

/// <summary>Which objects a second pass rebuilds.</summary>
internal sealed class PassPlan
{
    private readonly BuildTree _tree;
    private readonly Dictionary<string, ScannedObject> _objects;
    private readonly Dictionary<string, (FileStamp Was, FileStamp Is)> _aged = new(StringComparer.Ordinal);

    private PassPlan(BuildTree tree, Dictionary<string, ScannedObject> objects, SortedSet<string> rebuild)
    {
        _tree = tree;
        _objects = objects;
        Rebuild = rebuild;
    }

    /// <summary>Paths of the objects to rebuild; some may be absent already.</summary>
    public SortedSet<string> Rebuild { get; }

    /// <summary>How many there are that a second pass could rebuild, with those that an interrupted make took away.</summary>
    public int Total => _objects.Values.Count(o => o.IsOurs) + Rebuild.Count(path => !_objects.ContainsKey(path));

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

    /// <summary>The state to be on the disk before the first object is aged.</summary>
    public TreeState Announce(TreeState state)
    {
        SortedDictionary<string, ObjectState> announced = new(state.Objects, StringComparer.Ordinal);
        foreach (string path in Rebuild)
            announced[path] = Announced(path, state.Objects.GetValueOrDefault(path)) with { Dirty = true };
        return state with { Objects = announced };
    }

    /// <summary>
    /// Makes the objects older than all that they are made from, so that make builds them anew. None is taken out of its place: what no
    /// rule makes is there for what needs it, and what make removes is gone. A crash loses nothing.
    /// </summary>
    public void Age(Action<string> say) => Age(Rebuild, say);

    /// <summary>
    /// Ages those that were built and have records, though no assembler ran and no earlier report tells of them: a compiler cache of another tree had them.
    /// </summary>
    /// <param name="slices">The list.</param>
    /// <param name="before">The state before the pass.</param>
    /// <param name="isReported">Whether reheat-as has said something of an object.</param>
    /// <returns>How many.</returns>
    public int AgeUntold(ListSlices slices, TreeState before, Func<string, bool> isReported)
    {
        string[] untold = [.. Rebuild.Where(IsUntold)];
        Age(untold, _ => { });
        return untold.Length;

        bool IsUntold(string path)
        {
            if (isReported(path) || (_aged.TryGetValue(path, out (FileStamp Was, FileStamp Is) times) && Posix.Stamp(_tree.Full(path)) == times.Is) || !File.Exists(_tree.Full(path)))
                return false;
            ObjectFacts facts = TreeScan.Read(_tree.Full(path), slices);
            string slice = slices.Hash(facts);
            return facts.HasRecords && slice != ListSlices.Plain && !(before.Objects.GetValueOrDefault(path) is { Report: not null } known && known.Slice == slice);
        }
    }

    private void Age(IEnumerable<string> paths, Action<string> say)
    {
        foreach (string path in paths)
        {
            string full = _tree.Full(path);
            try
            {
                if (Posix.Stamp(full) is not { } was)
                    continue;
                if (was.Links > 1)
                    Separate(full);
                int error = Posix.SetModified(full, 0, 0);
                if (error != 0)
                    throw new IOException($"error {error}");
                _aged[path] = (was, Posix.Stamp(full) ?? was);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                say($"{full}: make cannot be told to build it anew ({e.Message}): it stays as it is — is it yours, and writable?");
            }
        }
    }

    /// <summary>Gives their times back to objects that make did not build; but what a crash left half of stays old. Returns all that make did not build.</summary>
    public HashSet<string> Restore(TreeState before)
    {
        var left = new HashSet<string>(StringComparer.Ordinal);
        foreach (string path in Rebuild)
        {
            if (_aged.TryGetValue(path, out (FileStamp Was, FileStamp Is) times))
            {
                if (Posix.Stamp(_tree.Full(path)) != times.Is)
                    continue;
                if (!before.Objects.TryGetValue(path, out ObjectState? known) || !known.Dirty)
                    _ = Posix.SetModified(_tree.Full(path), times.Was.Seconds, times.Was.Nanoseconds);
                else if (_objects.TryGetValue(path, out ScannedObject? old) && known.IsBefore(old.File))
                {
                    long ticks = known.Modified - DateTime.UnixEpoch.Ticks;
                    _ = Posix.SetModified(_tree.Full(path), ticks / TimeSpan.TicksPerSecond, (uint)(ticks % TimeSpan.TicksPerSecond * 100));
                }
                left.Add(path);
            }
            else if (_objects.TryGetValue(path, out ScannedObject? found) && found.IsUnchanged(new FileInfo(_tree.Full(path))))
                left.Add(path);
        }
        return left;
    }

    // What another name of the file is for, a compiler cache or a copy of the tree, is not ours to age.
    private static void Separate(string full)
    {
        string copy = full + ".reheat";
        File.Copy(full, copy, overwrite: true);
        File.Move(copy, full, overwrite: true);
    }

    private ObjectState Announced(string path, ObjectState? known)
    {
        if (!_objects.TryGetValue(path, out ScannedObject? found))
            return new ObjectState(0, 0);
        if (known is not null && (known.Describes(found.File) || known.IsBefore(found.File)))
            return known;
        return known is { Dirty: true } ? new ObjectState(0, 0) : new ObjectState(found.File.LastWriteTimeUtc.Ticks, found.File.Length);
    }

    // Null: with records, but nobody knows of which list.
    private static string? BuiltWith(ScannedObject found, TreeState state)
    {
        if (state.Objects.TryGetValue(found.Path, out ObjectState? known) && known.Describes(found.File))
            return known.Slice;
        return found.Facts.HasRecords ? null : ListSlices.Plain;
    }
}
