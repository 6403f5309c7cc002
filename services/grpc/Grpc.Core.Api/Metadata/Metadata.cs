using System.Collections;

namespace Grpc.Core;

/// <summary>
/// Headers or trailers of a call: an ordered list of entries in which a key may come more than once. Keys are compared without
/// case. A key that ends in <see cref="BinaryHeaderSuffix"/> carries bytes, any other key text.
/// </summary>
public sealed partial class Metadata : IList<Metadata.Entry>
{
    /// <summary>The ending of keys whose values are bytes.</summary>
    public const string BinaryHeaderSuffix = "-bin";

    /// <summary>No entries; read-only.</summary>
    public static readonly Metadata Empty = new() { _frozen = true };

    private readonly List<Entry> _entries = [];
    private bool _frozen;

    /// <summary>How many entries there are.</summary>
    public int Count => _entries.Count;

    /// <summary>True if every change throws <see cref="InvalidOperationException"/>.</summary>
    public bool IsReadOnly => _frozen;

    /// <summary>The entry at a position.</summary>
    public Entry this[int index]
    {
        get => _entries[index];
        set
        {
            CheckWritable();
            _entries[index] = Checked(value);
        }
    }

    /// <summary>The last entry of a key, null if there is none.</summary>
    public Entry? Get(string key) => _entries.FindLast(Named(key));

    /// <summary>Text of the last entry of a key, null if there is none.</summary>
    /// <exception cref="InvalidOperationException">The entry is binary.</exception>
    public string? GetValue(string key) => Get(key)?.Value;

    /// <summary>Bytes of the last entry of a key, null if there is none.</summary>
    public byte[]? GetValueBytes(string key) => Get(key)?.ValueBytes;

    /// <summary>All entries of a key, in their order.</summary>
    public IEnumerable<Entry> GetAll(string key)
    {
        Predicate<Entry> named = Named(key);
        return _entries.Where(e => named(e));
    }

    /// <summary>Adds a text entry.</summary>
    public void Add(string key, string value) => Add(new Entry(key, value));

    /// <summary>Adds a binary entry; the key ends in <see cref="BinaryHeaderSuffix"/>.</summary>
    public void Add(string key, byte[] valueBytes) => Add(new Entry(key, valueBytes));

    /// <inheritdoc/>
    public void Add(Entry item)
    {
        CheckWritable();
        _entries.Add(Checked(item));
    }

    /// <inheritdoc/>
    public void Insert(int index, Entry item)
    {
        CheckWritable();
        _entries.Insert(index, Checked(item));
    }

    /// <inheritdoc/>
    public void RemoveAt(int index)
    {
        CheckWritable();
        _entries.RemoveAt(index);
    }

    /// <inheritdoc/>
    public bool Remove(Entry item)
    {
        CheckWritable();
        return _entries.Remove(item);
    }

    /// <inheritdoc/>
    public void Clear()
    {
        CheckWritable();
        _entries.Clear();
    }

    /// <inheritdoc/>
    public int IndexOf(Entry item) => _entries.IndexOf(item);

    /// <inheritdoc/>
    public bool Contains(Entry item) => _entries.Contains(item);

    /// <inheritdoc/>
    public void CopyTo(Entry[] array, int arrayIndex) => _entries.CopyTo(array, arrayIndex);

    /// <inheritdoc/>
    public IEnumerator<Entry> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static Predicate<Entry> Named(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return e => string.Equals(e.Key, key, StringComparison.OrdinalIgnoreCase);
    }

    private static Entry Checked(Entry item)
    {
        ArgumentNullException.ThrowIfNull(item);
        return item;
    }

    private void CheckWritable()
    {
        if (_frozen)
            throw new InvalidOperationException("this metadata is read-only");
    }
}
