using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Reheat.Core.Elf;

/// <summary>The bytes of a file: a buffer, or a read-only mapping.</summary>
/// <remarks>
/// There is no finalizer on purpose: a span into the mapping does not keep this object alive, and unmapping under it would be a
/// crash, where forgetting <see cref="Dispose"/> only keeps address space.
/// </remarks>
internal sealed unsafe class ByteSource : IDisposable
{
    /// <summary>
    /// Up to this size a file is read instead of mapped: faster for object files, and a file cut short by a build that runs
    /// meanwhile cannot raise SIGBUS.
    /// </summary>
    private const long LargestBuffered = 4 << 20;

    private readonly ReadOnlyMemory<byte> _buffer;
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _mapped;
    private bool _disposed;

    public ByteSource(ReadOnlyMemory<byte> buffer)
    {
        _buffer = buffer;
        Length = buffer.Length;
    }

    private ByteSource(MemoryMappedFile file, long length)
    {
        _file = file;
        _view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _mapped);
        _mapped += _view.PointerOffset;
        Length = length;
    }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>Opens a file; IO errors are the operator's and throw.</summary>
    public static ByteSource Open(string path)
    {
        using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        long length = RandomAccess.GetLength(handle);
        if (length > LargestBuffered)
        {
            // The mapping keeps its own reference to the file.
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
            var file = MemoryMappedFile.CreateFromFile(
                stream, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            try
            {
                return new ByteSource(file, Math.Min(length, stream.Length));
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }

        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)length);
        int filled = 0;
        while (filled < bytes.Length && RandomAccess.Read(handle, bytes.AsSpan(filled), filled) is var read and > 0)
            filled += read;
        return new ByteSource(bytes.AsMemory(0, filled));
    }

    /// <summary>
    /// The bytes from <paramref name="offset"/>, at most <paramref name="length"/>: cut at the end of the file and at 2 GiB.
    /// </summary>
    public ReadOnlySpan<byte> Clip(ulong offset, ulong length)
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(ElfImage));
        if (offset >= (ulong)Length)
            return [];
        int count = (int)Math.Min(Math.Min(length, (ulong)Length - offset), (ulong)Array.MaxLength);
        return _mapped != null ? new ReadOnlySpan<byte>(_mapped + offset, count) : _buffer.Span.Slice((int)offset, count);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (_mapped != null)
        {
            _mapped = null;
            _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        _view?.Dispose();
        _file?.Dispose();
    }
}
