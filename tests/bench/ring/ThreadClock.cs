using System.Runtime.InteropServices;

namespace Reheat.RingBench;

/// <summary>Processor time of the calling thread, which others on the machine do not lengthen; .NET does not tell it.</summary>
internal static partial class ThreadClock
{
    private const int ThreadCpuTime = 3; // CLOCK_THREAD_CPUTIME_ID

    public static double Seconds => clock_gettime(ThreadCpuTime, out Time time) == 0 ? time.Seconds + (time.Nanoseconds / 1e9) : throw new InvalidOperationException("clock_gettime");

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, out Time time);
}
