// The reader's side of the ring bench: the agent's own reading, naming and folding of a session's ring, beside a plain sum over the same records.
// Run through tests/bench.sh ring.
//
//   Reheat.RingBench fold SESSION MEMORY-MAP ROUNDS     a ring that stands still
//   Reheat.RingBench drain SESSION MEMORY-MAP           a ring that its producer fills meanwhile, until the producer has closed it
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Reheat.RingBench;

if (args is ["fold", var still, var map, var rounds])
    Console.WriteLine(JsonSerializer.Serialize(new Reader(still, map).Fold(int.Parse(rounds, CultureInfo.InvariantCulture)), Reader.Json));
else if (args is ["drain", var filled, var itsMap])
    Console.WriteLine(JsonSerializer.Serialize(new Reader(filled, itsMap).Drain(), Reader.Json));
else
    throw new UnreachableException("usage: fold SESSION MEMORY-MAP ROUNDS | drain SESSION MEMORY-MAP");
