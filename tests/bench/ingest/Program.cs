using System.CommandLine;
using Reheat.IngestBench;

// The parts of `tests/bench.sh ingest`, each a process of its own: ingest.py starts them and measures them from outside.
var root = new RootCommand("What the ingest benchmark is made of. Each prints one line of JSON.")
{
    ClusterCommand.Create(),
    SitesCommand.Create(),
    LoadCommand.Create(),
    BareCommand.Create(),
    CopyCommand.Create(),
    MarksCommand.Create(),
};
return await root.Parse(args).InvokeAsync();
