using System.Security.Cryptography;
using System.Text;

namespace Reheat.Cli.Guests;

/// <summary>
/// One guest of a name at a time on this machine, for one collector: two would take the wedge from each other for ever. Held until the process ends,
/// however it ends.
/// </summary>
internal sealed class GuestNameLock : IDisposable
{
    private readonly FileStream? _file;

    private GuestNameLock(FileStream? file) => _file = file;

    /// <exception cref="CommandException">A guest of this name runs.</exception>
    public static GuestNameLock Take(string guest, Uri collector)
    {
        string key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Environment.UserName} {collector} {guest}")))[..16];
        string path = Path.Combine(Path.GetTempPath(), $"reheat-guest-{key}.lock");
        try
        {
            // None of it is shared: .NET takes a lock on the file, which QEMU does not inherit.
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
            return new GuestNameLock(file);
        }
        catch (IOException e) when (e.GetType() == typeof(IOException))
        {
            throw new CommandException(ExitCode.Usage, $"a guest named {guest} runs already under {collector} — name this one with --guest");
        }
        catch (UnauthorizedAccessException)
        {
            return new GuestNameLock(null); // the collector's lease tells of a second one, if later
        }
    }

    public void Dispose() => _file?.Dispose();
}
