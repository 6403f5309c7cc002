using System.Globalization;

namespace Reheat.Agent.Spooling;

internal sealed partial class Spool
{
    private string LimitsPath => Path.Combine(_directory, SpoolFormat.LimitsFile);

    /// <summary>Records that the last collector took in a batch; null if none was met. Kept over restarts: what is spooled before one answers must fit its batches.</summary>
    public ulong? BatchRecords { get; private set; }

    /// <summary>Keeps what a collector takes. A disk that does not take it is told of by what is spooled next.</summary>
    public void Remember(ulong batchRecords)
    {
        if (BatchRecords == batchRecords)
            return;
        BatchRecords = batchRecords;
        try
        {
            File.WriteAllText(LimitsPath + ".tmp", string.Create(CultureInfo.InvariantCulture, $"batch-records {batchRecords}\n"));
            File.Move(LimitsPath + ".tmp", LimitsPath, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.SpoolFailed(_log, _directory, e.Message);
        }
    }

    // Half of a file, or another's, is as good as none: the collector will say it again.
    private static ulong? ReadLimits(string path) =>
        File.Exists(path) && File.ReadAllText(path).Split() is ["batch-records", var number, ..]
        && ulong.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out ulong records) && records > 0
            ? records
            : null;
}
