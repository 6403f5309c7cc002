using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Reheat.Agent.Machine;
using Reheat.Cli.Client;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Core.Records;

namespace Reheat.Cli.Guests;

/// <summary>
/// Reads the counters that an image of policy selftest keeps itself, out of the stopped guest's memory. They are a second witness: the thunks
/// count where the access is done, the wedge where it is seen.
/// </summary>
/// <param name="path">The file that is written.</param>
/// <param name="counters">Sites as the image names them, and where the guest has their counters, ascending by that.</param>
internal sealed class SelftestFile(string path, IReadOnlyList<(ImageAddress Site, GuestAddress Counter)> counters)
{
    private const int Width = 8;

    // Neighbouring counters are read at once; across a gap a read of its own is cheaper than what lies between.
    private const ulong Gap = 4096;

    /// <summary>The file.</summary>
    public string Path => path;

    /// <summary>True once the counters were read.</summary>
    public bool IsWritten { get; private set; }

    /// <summary>For the counters of all images of a guest.</summary>
    /// <exception cref="CommandException">No image counts.</exception>
    public static SelftestFile Of(string path, IEnumerable<(string Path, LoadBias Bias)> images)
    {
        var all = new List<(ImageAddress Site, GuestAddress Counter)>();
        foreach ((string image, LoadBias bias) in images)
        {
            using ElfImage elf = ImageFile.Open(image);
            all.AddRange(AnnotatedSites.Read(elf).Counters.Select(c => (c.Site, new GuestAddress(unchecked(c.Counter.Value + (ulong)bias.Value)))));
        }
        return all.Count > 0
            ? new SelftestFile(path, [.. all.OrderBy(c => c.Counter.Value)])
            : throw new CommandException(ExitCode.BadInput, $"--selftest {path}: no image has counters — build one with `reheat make --policy selftest`");
    }

    /// <summary>Writes <c>[{"site":"0x…","executions":N}, …]</c>, ascending by site (image addresses).</summary>
    /// <exception cref="IOException">The guest's memory cannot be read: QEMU says why.</exception>
    public async Task WriteAsync(QmpClient control, CancellationToken cancel)
    {
        // QEMU writes the file; it may run as another user, but never elsewhere.
        string dump = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"reheat-selftest-{Guid.NewGuid():N}");
        var sums = new SortedDictionary<ImageAddress, ulong>();
        try
        {
            for (int i = 0; i < counters.Count;)
            {
                int last = i;
                while (last + 1 < counters.Count && counters[last + 1].Counter.Value - counters[last].Counter.Value <= Gap)
                    last++;
                ulong from = counters[i].Counter.Value;
                var range = new JsonObject
                {
                    // QMP numbers are signed; QEMU takes the bits.
                    ["val"] = unchecked((long)from),
                    ["size"] = (long)(counters[last].Counter.Value - from + Width),
                    ["filename"] = dump,
                };
                await control.ExecuteAsync("memsave", range, cancel);
                byte[] bytes = await File.ReadAllBytesAsync(dump, cancel);
                for (; i <= last; i++)
                {
                    ulong value = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan((int)(counters[i].Counter.Value - from), Width));
                    sums[counters[i].Site] = sums.GetValueOrDefault(counters[i].Site) + value;
                }
            }
        }
        finally
        {
            File.Delete(dump);
        }
        await using FileStream file = File.Create(path);
        await using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach ((ImageAddress site, ulong executions) in sums)
        {
            json.WriteStartObject();
            json.WriteString("site", string.Create(CultureInfo.InvariantCulture, $"0x{site.Value:x}"));
            json.WriteNumber("executions", executions);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        IsWritten = true;
    }
}
