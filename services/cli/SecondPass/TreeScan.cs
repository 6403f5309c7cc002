using System.Collections.Concurrent;
using Reheat.Core.Annotations;

namespace Reheat.Cli.SecondPass;

/// <summary>One object file as it was found.</summary>
internal sealed record ScannedObject(string Path, FileInfo File, bool IsProtected, ObjectFacts Facts)
{
    /// <summary>True for what a second pass may rebuild.</summary>
    public bool IsOurs => Facts.Kind == ObjectKind.Single && !IsProtected;

    /// <summary>Nobody wrote the file since.</summary>
    public bool IsUnchanged(FileInfo now) => now.Length == File.Length && now.LastWriteTimeUtc == File.LastWriteTimeUtc;
}

/// <summary>Reads all objects of a tree, by several threads.</summary>
internal static class TreeScan
{
    /// <summary>All objects by path; with an earlier scan, what is unchanged since is not read again.</summary>
    public static Dictionary<string, ScannedObject> Run(
        BuildTree tree, ListSlices slices, IReadOnlyDictionary<string, ScannedObject>? known = null, CancellationToken cancel = default)
    {
        var found = new ConcurrentBag<ScannedObject>();
        var parallel = new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.ForEach(tree.Objects(), parallel, file =>
        {
            file.Refresh(); // as it is now: it would be asked for its size when that is needed first, perhaps after make
            string path = tree.Relative(file.FullName);
            if (known is not null && known.TryGetValue(path, out ScannedObject? before) && before.IsUnchanged(file))
                found.Add(before);
            else
                found.Add(new ScannedObject(path, file, tree.IsKernel && ProtectedPaths.FolderOf(path) is not null, Read(file.FullName, slices)));
        });
        return found.ToDictionary(o => o.Path, StringComparer.Ordinal);
    }

    /// <summary>What an object is; one that cannot be read is <see cref="ObjectKind.Unreadable"/>.</summary>
    public static ObjectFacts Read(string path, ListSlices slices)
    {
        try
        {
            return ObjectFacts.Read(path, slices.Functions, slices.IsCandidate);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ObjectFacts(ObjectKind.Unreadable); // gone meanwhile, or not ours to read: make will say
        }
    }
}
