using System.Diagnostics.CodeAnalysis;
using Google.Protobuf.Reflection;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Reheat.Collector.Reflection;

/// <summary>Finds proto files by their path and by what they declare. Immutable.</summary>
internal sealed partial class DescriptorIndex
{
    private readonly Dictionary<string, FileDescriptor> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _symbols = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SortedDictionary<int, FileDescriptor>> _extensions = new(StringComparer.Ordinal);

    /// <summary>Indexes the files of the services and all that they import.</summary>
    public DescriptorIndex(IEnumerable<ServiceDescriptor> services)
    {
        ServiceDescriptor[] known = [.. services.DistinctBy(s => s.FullName).OrderBy(s => s.FullName, StringComparer.Ordinal)];
        Services = [.. known.Select(s => s.FullName)];
        foreach (ServiceDescriptor service in known)
            AddFile(service.File);
    }

    /// <summary>Full names of the services, sorted.</summary>
    public IReadOnlyList<string> Services { get; }

    /// <summary>The file of a path.</summary>
    public bool TryFindFile(string path, [NotNullWhen(true)] out FileDescriptor? file) => _files.TryGetValue(path, out file);

    /// <summary>The file that declares a symbol, given by its full name.</summary>
    public bool TryFindSymbol(string name, [NotNullWhen(true)] out FileDescriptor? file) => _symbols.TryGetValue(name, out file);

    /// <summary>The file that declares an extension of a message.</summary>
    public bool TryFindExtension(string message, int number, [NotNullWhen(true)] out FileDescriptor? file)
    {
        file = null;
        return _extensions.TryGetValue(message, out var numbers) && numbers.TryGetValue(number, out file);
    }

    /// <summary>The numbers of a message's extensions, ascending; none for a message without any.</summary>
    public bool TryFindExtensionNumbers(string message, [NotNullWhen(true)] out IReadOnlyCollection<int>? numbers)
    {
        numbers = _extensions.TryGetValue(message, out var found) ? found.Keys
            : _messages.Contains(message) ? Array.Empty<int>() : null;
        return numbers is not null;
    }

    /// <summary>A file and all that it imports, each once, imports last.</summary>
    public static IEnumerable<FileDescriptor> WithImports(FileDescriptor file)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal) { file.Name };
        var queue = new Queue<FileDescriptor>([file]);
        while (queue.TryDequeue(out FileDescriptor? next))
        {
            yield return next;
            foreach (FileDescriptor import in next.Dependencies.Where(d => seen.Add(d.Name)))
                queue.Enqueue(import);
        }
    }
}
