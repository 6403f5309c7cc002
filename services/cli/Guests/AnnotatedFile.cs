using System.Globalization;
using System.Text;
using Reheat.Cli.Client;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Reheat.Core.Ring;

namespace Reheat.Cli.Guests;

/// <summary>
/// The file that tells the wedge which places of the guest's images are annotated (services/wedges/qemu/README.md): a line "start end site"
/// a place, in addresses as the guest runs them, ascending. A site's thunk is a place of its own, under its site's address.
/// </summary>
internal static class AnnotatedFile
{
    public const string Name = "annotated";

    /// <summary>Writes the places of these images into the session's directory.</summary>
    /// <returns>The file and its number of sites; null if no image has records, so that nothing was written.</returns>
    /// <exception cref="CommandException">The directory holds a session already, or two images claim one place.</exception>
    public static (string Path, int Sites)? Write(string session, IEnumerable<string> arguments, Action<string> say)
    {
        var places = new List<(ulong Start, ulong End, ulong Site)>();
        int sites = 0;
        foreach (string argument in arguments)
        {
            (string path, LoadBias bias) = GuestImages.Split(argument);
            using ElfImage elf = ImageFile.Open(path);
            AnnotatedSites annotated = AnnotatedSites.Read(elf);
            foreach (Diagnostic diagnostic in annotated.Diagnostics)
                say(diagnostic.ToString());
            sites += annotated.All.Count;
            places.AddRange(annotated.All.SelectMany(PlacesOf).Select(p => (At(p.Range.Start, bias), At(p.Range.End, bias), At(p.Site, bias))));
        }
        if (places.Count == 0)
            return null;
        places.Sort();
        var text = new StringBuilder("reheat-annotated 1\n");
        ulong end = 0;
        foreach ((ulong start, ulong after, ulong site) in places)
        {
            if (start < end)
                throw new CommandException(ExitCode.Usage, $"two images have an annotated site at 0x{start:x} — check their load biases");
            end = after;
            text.Append(CultureInfo.InvariantCulture, $"{start:x} {after:x} {site:x}\n");
        }
        return (Save(session, text.ToString()), sites);
    }

    private static IEnumerable<(AddressRange Range, ImageAddress Site)> PlacesOf(AnnotatedSite site) =>
        site.HasThunk ? [(site.Range, site.Start), (site.Thunk, site.Start)] : [(site.Range, site.Start)];

    private static ulong At(ImageAddress address, LoadBias bias) => unchecked(address.Value + (ulong)bias.Value);

    private static string Save(string session, string text)
    {
        string path = Path.Combine(session, Name);
        try
        {
            Directory.CreateDirectory(session);
            if (File.Exists(Path.Combine(session, RingFormat.InfoFile)) || File.Exists(path))
                throw new CommandException(ExitCode.Usage, $"{session} holds another session — name a directory that does not exist yet");
            File.WriteAllText(path, text);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Failure, $"cannot write {path}: {e.Message}");
        }
    }
}
