namespace Reheat.Cli.SecondPass;

/// <summary>A directory with object files that make has built, and what a second pass keeps beside them in <c>.reheat</c>.</summary>
internal sealed class BuildTree
{
    private static readonly EnumerationOptions Everywhere = new()
    {
        RecurseSubdirectories = false,
        AttributesToSkip = FileAttributes.ReparsePoint, // a symbolic link leads out of the tree or to what is seen anyway
        IgnoreInaccessible = true,
    };

    public BuildTree(string root)
    {
        Root = root;
        IsKernel = File.Exists(Path.Combine(root, "include/config/auto.conf")) || File.Exists(Path.Combine(root, "include/generated/autoconf.h"));
    }

    /// <summary>Absolute, links resolved.</summary>
    public string Root { get; }

    /// <summary>True for a tree that Linux's kbuild made.</summary>
    public bool IsKernel { get; }

    /// <summary>What the second pass keeps.</summary>
    public string StateDirectory => Path.Combine(Root, ".reheat");

    /// <summary>A path in <see cref="StateDirectory"/>.</summary>
    public string State(string name) => Path.Combine(StateDirectory, name);

    /// <summary>The absolute path of an object.</summary>
    public string Full(string relative) => Path.Combine(Root, relative);

    /// <summary>All files named <c>*.o</c> by path relative to the root, in no order. Names that begin with a dot are the build's own interim files.</summary>
    public IEnumerable<FileInfo> Objects()
    {
        var directories = new Stack<DirectoryInfo>();
        directories.Push(new DirectoryInfo(Root));
        while (directories.TryPop(out DirectoryInfo? directory))
        {
            foreach (FileSystemInfo entry in directory.EnumerateFileSystemInfos("*", Everywhere))
            {
                if (entry is DirectoryInfo child)
                {
                    if (child.Name is not (".git" or ".reheat"))
                        directories.Push(child);
                }
                else if (entry.Name.EndsWith(".o", StringComparison.Ordinal) && entry.Name[0] != '.')
                    yield return (FileInfo)entry;
            }
        }
    }

    /// <summary>The path below the root, of a file that may be named through symbolic links.</summary>
    public string Relative(string full)
    {
        string prefix = Root == "/" ? "/" : Root + "/";
        if (!full.StartsWith(prefix, StringComparison.Ordinal) && Path.GetDirectoryName(full) is { Length: > 0 } directory && Posix.RealPath(directory) is { } real)
            full = Path.Combine(real, Path.GetFileName(full));
        return full.StartsWith(prefix, StringComparison.Ordinal) ? full[prefix.Length..] : full;
    }

    /// <summary>Makes <see cref="StateDirectory"/>, unseen by git.</summary>
    /// <exception cref="CommandException">It cannot be written.</exception>
    public void CreateStateDirectory()
    {
        try
        {
            Directory.CreateDirectory(StateDirectory);
            if (!File.Exists(State(".gitignore")))
                File.WriteAllText(State(".gitignore"), "*\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(StateDirectory, e);
        }
    }

    /// <summary>Runs something that writes in <see cref="StateDirectory"/>.</summary>
    /// <exception cref="CommandException">It cannot be written.</exception>
    public static void Write(string path, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(path, e);
        }
    }

    private static CommandException CannotWrite(string path, Exception e) =>
        new(ExitCode.Failure, $"cannot write {path}: {e.Message} — make room, or make the directory writable, and try again");
}
