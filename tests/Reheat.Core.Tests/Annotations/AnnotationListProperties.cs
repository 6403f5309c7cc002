using FsCheck;
using FsCheck.Fluent;
using Reheat.Core.Annotations;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.Annotations;

public sealed class AnnotationListProperties
{
    // Names of every kind: paths, escapes, spaces, letters beyond ASCII, halves of surrogate pairs.
    private static Gen<string> Name { get; } = Gen.OneOf(
        Gen.Elements("", "-", "*", "a", "kernel/fork.c", "f.constprop.0", @"\x2d", "a b", " | ", "#", "end", "ü/é.c", "\ud83d\ude00", "\ud800", "\n", "\r\n", "\ufffd"),
        ArbMap.Default.GeneratorFor<string>().Select(s => s ?? ""));

    private static Gen<AnnotatedAccess> Access { get; } =
        from operation in Gen.Elements(Enum.GetValues<Operation>())
        from size in Gen.Elements(0, 1, 2, 4, 8, 16)
        from target in Name
        select new AnnotatedAccess(operation, size, target);

    private static Gen<Annotation> Site { get; } =
        from standing in Gen.Elements(Standing.Listed, Standing.Listed, Standing.Allow, Standing.Deny)
        from ordinal in Gen.Choose(standing == Standing.Deny ? -1 : 0, 300)
        from accesses in standing == Standing.Deny ? Access.ListOf() : Access.NonEmptyListOf()
        from instruction in Name
        select new Annotation(ordinal, [.. accesses], instruction, standing);

    private static Gen<FunctionAnnotations> Function { get; } =
        from name in Name
        from fingerprint in Gen.Choose(0, 3)
        from sketch in Gen.Elements("", "00ff", "12345678")
        from sites in Site.NonEmptyListOf()
        select new FunctionAnnotations(name, new Fingerprint((ulong)fingerprint), Sketch(sketch),
            [.. sites.DistinctBy(site => (site.Ordinal, site.Standing))]);

    private static Gen<AnnotationList> List { get; } =
        from units in (from name in Name from functions in Function.ListOf() select (name, functions)).ListOf()
        from traps in Gen.Choose(0, 1000)
        from byHand in Gen.Elements(true, false)
        select new AnnotationList
        {
            ByHand = byHand,
            Policy = new AnnotationPolicy { MinimumTraps = traps, ClassOne = byHand, Padding = byHand ? PaddingStyle.Inline : PaddingStyle.Thunk },
            Units = [.. units.DistinctBy(u => u.name).Select(u =>
                new UnitAnnotations(u.name, [.. u.functions.DistinctBy(f => (f.Name, f.Fingerprint))]))],
        };

    private static CodeSketch Sketch(string text) => CodeSketch.TryParse(text, out CodeSketch sketch) ? sketch : CodeSketch.Empty;

    [Fact]
    public void Reading_what_was_written_gives_the_same_list() => Check.QuickThrowOnFailure(Prop.ForAll(List.ToArbitrary(), list =>
    {
        string text = AnnotationListWriter.Write(list);
        AnnotationListResult result = AnnotationListReader.Read(text, "list");
        return result.IsWhole && result.List == list.Sorted() && AnnotationListWriter.Write(result.List) == text && text.All(char.IsAscii);
    }));

    [Fact]
    public void Order_of_making_does_not_matter() => Check.QuickThrowOnFailure(Prop.ForAll(List.ToArbitrary(), list =>
    {
        AnnotationList reversed = list with
        {
            Units = [.. list.Units.Reverse().Select(u => u with
            {
                Functions = [.. u.Functions.Reverse().Select(f => f with { Sites = [.. f.Sites.Reverse()] })],
            })],
        };
        return AnnotationListWriter.Write(list) == AnnotationListWriter.Write(reversed) && list.BodyHash() == reversed.BodyHash();
    }));

    [Fact]
    public void Any_text_is_read_without_exception() => Check.QuickThrowOnFailure(Prop.ForAll(List.ToArbitrary(), ArbMap.Default.ArbFor<NonNull<string>>(),
        ArbMap.Default.ArbFor<int>(), (list, noise, where) =>
    {
        string text = AnnotationListWriter.Write(list);
        int at = Math.Abs(where % (text.Length + 1));
        _ = AnnotationListReader.Read(text.Insert(at, noise.Get), "list");
        _ = AnnotationListReader.Read(noise.Get, "list");
    }));

    [Fact]
    public void Provenance_reads_back() => Check.QuickThrowOnFailure(Prop.ForAll(
        (from unit in Name
         from function in Name
         from ordinal in Gen.Choose(0, 9)
         from traps in ArbMap.Default.GeneratorFor<long>()
         from wedges in Gen.Elements(1.0, 2.5, 1e9)
         select new SiteProvenance(new SiteIdentity(Whole(unit), Whole(function), new Fingerprint(7), ordinal))
         {
             Image = new BuildId([1, 2, 3]),
             Address = new ImageAddress(0xffffffff81000000 + (ulong)ordinal),
             Offset = ordinal * 3,
             Traps = traps,
             Elements = traps,
             Wedges = wedges,
             Source = ordinal == 0 ? null : "a.c:1",
         }).ListOf().ToArbitrary(), sites =>
    {
        var provenance = new Provenance("00", "0.1.0", [new BuildId([1, 2, 3])], [.. sites.DistinctBy(s => s.Site).OrderBy(s => s.Site)]);
        string text = ProvenanceWriter.Write(provenance);
        (Provenance read, IReadOnlyList<Diagnostic> diagnostics) = ProvenanceReader.Read(text, "p");
        bool noticed = ProvenanceReader.Read(text[..text.LastIndexOf('{')], "p").Diagnostics.Count > 0;
        return diagnostics.Count == 0 && read == provenance && noticed;
    }));

    // JSON has no halves of surrogate pairs.
    private static string Whole(string text) => text.EnumerateRunes().All(r => r != System.Text.Rune.ReplacementChar) ? text : "x";
}
