using System.Buffers.Binary;
using System.Text;

namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    // Real images have a handful of notes, libraries with probes a few hundred.
    private const int MostNotes = 4096;
    private const int LongestOwner = 64;

    /// <summary>All notes: of the note sections, or of the PT_NOTE segments if there are no section headers.</summary>
    public IReadOnlyList<ElfNote> Notes
    {
        get
        {
            // Lookups come here each time: no lock once it is there.
            if (field is { } ready)
                return ready;
            lock (_lock)
                return field ??= ReadNotes();
        }
    }

    /// <summary>
    /// The GNU build-id; <c>default</c> and the diagnostic <see cref="DiagnosticId.ElfNoBuildId"/> if there is none.
    /// </summary>
    public BuildId BuildId
    {
        get
        {
            lock (_lock)
                return field.IsNone && !_buildIdRead ? field = ReadBuildId() : field;
        }
    }

    private bool _buildIdRead;

    private BuildId ReadBuildId()
    {
        _buildIdRead = true;
        foreach (ElfNote note in Notes)
        {
            if (note.Type != ElfNote.GnuBuildId || note.Owner != "GNU")
                continue;
            if (note.Descriptor.Length is > 0 and <= BuildId.MaxLength)
                return new BuildId(note.Descriptor.Span);
            _bag.Add(
                DiagnosticId.ElfBadNote, "build-id", $"{note.Descriptor.Length} bytes: expected 1 to {BuildId.MaxLength}");
        }
        _bag.Add(DiagnosticId.ElfNoBuildId, "", "no GNU build-id: link with `--build-id` (kernels and their modules do by default)");
        return default;
    }

    private List<ElfNote> ReadNotes()
    {
        var notes = new List<ElfNote>();
        long budget = StoredLength;
        foreach (ElfSection section in _sections)
        {
            if (section.Type == ElfSectionType.Note)
                ReadNotes(section.Bytes, section.Alignment, section.ToString(), notes, ref budget);
        }
        for (int i = 0; _sections.Length == 0 && i < _segments.Length; i++)
        {
            if (_segments[i].IsNote)
                ReadNotes(_source.Clip(_segments[i].Offset, _segments[i].FileSize), _segments[i].Alignment, $"segment [{i}]", notes, ref budget);
        }
        return notes;
    }

    // The budget keeps sections that overlap from being copied again and again.
    private void ReadNotes(ReadOnlySpan<byte> bytes, ulong alignment, string place, List<ElfNote> notes, ref long budget)
    {
        uint align = alignment == 8 ? 8u : 4u;
        uint at = 0;
        while ((uint)bytes.Length - at >= 12 && notes.Count < MostNotes)
        {
            ReadOnlySpan<byte> header = bytes[(int)at..];
            uint nameSize = BinaryPrimitives.ReadUInt32LittleEndian(header);
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
            ulong descriptor = Align(at + 12UL + nameSize, align);
            ulong end = descriptor + size;
            budget -= size;
            if (end > (ulong)bytes.Length || budget < 0)
            {
                _bag.Add(
                    DiagnosticId.ElfBadNote, $"{place} at 0x{at:x}", $"note with a name of {nameSize} and a descriptor of {size} bytes, of 0x{bytes.Length:x}");
                return;
            }
            ReadOnlySpan<byte> owner = header.Slice(12, (int)Math.Min(nameSize, LongestOwner));
            if (owner.IndexOf((byte)0) is var terminator && terminator >= 0)
                owner = owner[..terminator];
            notes.Add(new ElfNote(Encoding.UTF8.GetString(owner), type, bytes.Slice((int)descriptor, (int)size).ToArray()));
            at = (uint)Math.Min(Align(end, align), (ulong)bytes.Length);
        }
    }

    private static ulong Align(ulong value, ulong alignment) => (value + alignment - 1) & ~(alignment - 1);
}
