using System.Globalization;
using System.Text;
using Reheat.Core.Annotations;
using Xunit;

namespace Reheat.Core.Tests.Annotations;

public sealed class AnnotationListDiagnosticsTests
{
    private const string Head =
        """
        reheat-annotations 1.0
        arch x86-64
        normal 1
        policy padding=thunk
        unit u.c
        function f 00000000000000aa
          1 write:4:lapic

        """;

    public static TheoryData<string, int, string, string> Lines()
    {
        var data = new TheoryData<string, int, string, string>();
        foreach ((_, string[] c) in TextTable.Read("Annotations/bad-lists.txt", 4))
            data.Add(c[0], int.Parse(c[1], CultureInfo.InvariantCulture), c[2], c[3]);
        return data;
    }

    [Theory, MemberData(nameof(Lines))]
    public void A_bad_line_is_told_and_loses_nothing_else(string line, int sites, string id, string message)
    {
        AnnotationListResult result = AnnotationListReader.Read($"{Head}{line}\nend 1\n", "file");
        Diagnostic diagnostic = Assert.Single(result.Diagnostics);
        Assert.Equal(("file:8", id), (diagnostic.Place, diagnostic.Id.ToString()));
        Assert.Contains(message, diagnostic.Message, StringComparison.Ordinal);
        Assert.Equal(sites, result.List.Count);
    }

    public static TheoryData<string, string, string> Sites()
    {
        var data = new TheoryData<string, string, string>();
        // Sites contain bars: these columns stand between semicolons.
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Annotations/bad-sites.txt")).Where(l => !l.StartsWith('#')))
        {
            string[] c = line.Split(';', StringSplitOptions.TrimEntries);
            data.Add(c[0], c[1], c[2]);
        }
        return data;
    }

    [Theory, MemberData(nameof(Sites))]
    public void A_bad_site_is_told_and_loses_nothing_else(string site, string id, string message)
    {
        int count = site.StartsWith("sketch", StringComparison.Ordinal) ? 1 : 2;
        AnnotationListResult result = AnnotationListReader.Read($"{Head}  {site}\nend {count}\n", "file");
        Diagnostic diagnostic = Assert.Single(result.Diagnostics);
        Assert.Equal(("file:8", id), (diagnostic.Place, diagnostic.Id.ToString()));
        Assert.Contains(message, diagnostic.Message, StringComparison.Ordinal);
        Assert.Equal(1, result.List.Count);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("<html>404</html>", "no annotation list: begins with \"<html>404</html>\"")]
    [InlineData("reheat-annotations 2.0\nend 0\n", "version 2.0, this reads 1.0")]
    [InlineData("reheat-annotations 1.0\nunit u\n", "cut off after 0 sites")]
    [InlineData("reheat-annotations 1.0\nend 3\n", "end 3, but 0 sites")]
    public void What_is_no_list_is_refused(string text, string message)
    {
        AnnotationListResult result = AnnotationListReader.Read(text, "file");
        Assert.Contains(message, Assert.Single(result.Diagnostics).Message, StringComparison.Ordinal);
        Assert.Equal(DiagnosticId.ListFormat, result.Diagnostics[0].Id);
        Assert.Equal(0, result.List.Count);
    }

    [Fact]
    public void A_newer_minor_version_is_read_but_for_what_is_unknown()
    {
        AnnotationListResult result = AnnotationListReader.Read(Head.Replace("1.0", "1.7", StringComparison.Ordinal) + "colour red\nend 1\n", "file");
        Assert.Contains("the list is of version 1.7, this reads 1.0; use newer tools", Assert.Single(result.Diagnostics).Message, StringComparison.Ordinal);
        Assert.Equal(1, result.List.Count);
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_a_bad_line()
    {
        byte[] text = Encoding.UTF8.GetBytes(Head + "unit x\nend 1\n");
        text[Array.LastIndexOf(text, (byte)'x')] = 0xff;
        Assert.Contains("not UTF-8", Assert.Single(AnnotationListReader.Read(text, "file").Diagnostics).Message, StringComparison.Ordinal);
    }
}
