using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>Names that are no UTF-8, several installations, no /proc: the build gets what as would have given it.</summary>
public sealed class SurroundingsTests
{
    private const string Source = "\t.file \"a.c\"\n\t.text\n\t.type f,@function\nf:\n\tmovl %esi,(%rdi)\n\tret\n\t.size f,.-f\n";
    private const string List = "reheat-annotations 1.0\nby-hand\nunit a.c\nfunction f *\n  0 write:4:lapic\n";

    [Theory]
    [InlineData("")]
    [InlineData("list")]
    public void Names_keep_their_bytes(string list)
    {
        using Scratch scratch = Made();
        // gcc passes names on as they are: café in Latin-1.
        Outcome outcome = Script(scratch, $$"""
            name=$(printf 'caf\351') words=$(printf 'w\370rds')
            trap 'rm -f "$name".* "$words"' EXIT # .NET cannot
            cp a.s "$name.s" && printf '%s' "--defsym $name=1 -MD '$name.d' '$name.s' -o '$name.o'" >"$words"
            as --defsym "$name=1" -MD "$name.d" "$name.s" -o "$name.o" && mv "$name.o" plain.o && mv "$name.d" plain.d || exit 9
            {{Scratch.Program}} --defsym "$name=1" -MD "$name.d" "$name.s" -o "$name.o" || exit 1
            cmp "$name.o" plain.o && cmp "$name.d" plain.d || exit 2
            rm "$name.o" "$name.d"
            {{Scratch.Program}} "@$words" || exit 3
            cmp "$name.o" plain.o && cmp "$name.d" plain.d || exit 4
            rm "$name.o"
            {{Scratch.Program}} -I "$name" --defsym "$name=1" a.s -o out.o || exit 5
            """, list);
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Output));
        Assert.Equal(list.Length > 0, outcome.Errors.Contains("no UTF-8", StringComparison.Ordinal));
        Assert.Equal(list.Length > 0, scratch.Read("out.o").AsSpan().IndexOf(".debug_afterburn.lapic"u8) >= 0);
    }

    // Two that are installed, and two bare copies that nothing tells from as.
    private static readonly string[] Calls =
    [
        "PATH=$PWD/v1/lib:$PWD/v2/lib:$PATH timeout 20 v1/lib/as",
        "PATH=$PWD/v1/lib:$PWD/v2/lib:$PATH timeout 20 v2/lib/as",
        "PATH=$PWD/copy1:$PWD/copy2:$PATH timeout 20 copy1/as",
        "PATH=$PWD/copy1:$PWD/v1/lib:$PWD/copy2:$PATH timeout 20 copy2/as",
        "COMPILER_PATH=$PWD/v1/lib:$PWD/v2/lib timeout 20 v1/lib/as",
        "REHEAT_AS=$PWD/v1/bin/reheat-as timeout 20 v1/lib/as",
        "REHEAT_AS=$PWD/v2/lib/as timeout 20 v1/lib/as",
        "REHEAT_AS=$PWD/copy2/as timeout 20 copy1/as",
        "REHEAT_AS=as PATH=$PWD/v1/lib:$PATH timeout 20 v1/lib/as",
        "REHEAT_AS=no-such-as timeout 20 v1/lib/as",
        "REHEAT_AS=$PWD/wrapper PATH=$PWD/v1/lib:$PATH timeout 20 v1/lib/as",
    ];

    [Theory]
    [InlineData("")]
    [InlineData("list")]
    public void Several_installations_lead_to_the_assembler(string list)
    {
        using Scratch scratch = Made();
        Outcome made = Script(scratch, $$"""
            for v in 1 2; do
                mkdir -p v$v/bin v$v/lib copy$v
                for file in v$v/bin/reheat-as copy$v/as; do { cat {{Scratch.Program}} && echo $v; } >$file && chmod +x $file; done
                ln -s ../bin/reheat-as v$v/lib/as
            done
            printf '#!/bin/sh\nas "$@"\n' >wrapper && chmod +x wrapper
            """, "");
        Assert.Equal((0, ""), (made.ExitCode, made.Errors));
        foreach (string call in Calls)
        {
            File.Delete(scratch.File("out.o"));
            Outcome outcome = Script(scratch, $"env {call} -o out.o a.s", list);
            Assert.True(outcome.ExitCode == 0, $"{call}: {outcome.ExitCode} {outcome.Errors}");
            Assert.Equal(list.Length > 0, scratch.Read("out.o").AsSpan().IndexOf(".debug_afterburn.lapic"u8) >= 0);
        }
    }

    [Fact]
    public void Where_compilers_look_first_comes_first()
    {
        using Scratch scratch = Made();
        Outcome outcome = Script(scratch, $$"""
            mkdir cross && printf '#!/bin/sh\necho the other assembler\n' >cross/as && chmod +x cross/as
            COMPILER_PATH=$PWD/tools:$PWD/cross tools/as -o out.o a.s
            """, "");
        Assert.Equal((0, "the other assembler\n"), (outcome.ExitCode, outcome.Output));
    }

    // What it sets for its own runtime stays its own; an assembler that it waits for gets its memory in large pages, unless that is settled already.
    [Theory]
    [InlineData("", "", "")]
    [InlineData("a-list-of-others", "", "")]
    [InlineData("list", "", "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=8388608")]
    [InlineData("list", "GLIBC_TUNABLES=glibc.malloc.arena_max=1", "glibc.malloc.arena_max=1")]
    public void The_assembler_gets_the_environment(string list, string set, string tunables)
    {
        using Scratch scratch = Made();
        scratch.Write("a-list-of-others", List.Replace("a.c", "b.c", StringComparison.Ordinal));
        scratch.Write("noting", "#!/bin/sh\nenv >noted\nexec as \"$@\"\n");
        Outcome outcome = Script(scratch, $"chmod +x noting && env {set} REHEAT_AS=$PWD/noting OTHER=kept {Scratch.Program} -o out.o a.s", list);
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Errors));
        string[] noted = scratch.Text("noted").Split('\n');
        Assert.Contains("OTHER=kept", noted);
        Assert.DoesNotContain(noted, line => line.StartsWith("DOTNET_GC", StringComparison.Ordinal));
        Assert.Equal(tunables, string.Concat(noted.Where(line => line.StartsWith("GLIBC_TUNABLES=", StringComparison.Ordinal)).Select(line => line["GLIBC_TUNABLES=".Length..])));
    }

    [Theory]
    [InlineData("")]
    [InlineData("list")]
    public void Without_proc_it_is_as(string list)
    {
        using Scratch scratch = Made();
        Outcome outcome = Script(scratch, $$"""
            mkdir -p root/bin root/here && cp {{Scratch.Program}} root/bin/reheat-as && cp a.s list root/here
            real=$(command -v as) && cp -L "$real" root/bin/as
            ldd "$real" | grep -o '/[^ ]*' | while read -r file; do mkdir -p "root${file%/*}" && cp -L "$file" "root$file"; done
            enter=("$(command -v chroot)" root) && ((UID == 0)) || enter=("$(command -v unshare)" --map-root-user "${enter[@]}")
            REHEAT_ANNOTATIONS={{(list.Length > 0 ? "/here/list" : "")}} PATH=/bin "${enter[@]}" /bin/reheat-as -o /here/out.o /here/a.s || exit 1
            as -o plain.o a.s && cmp plain.o root/here/out.o
            """, "", "/usr/sbin:/sbin");
        Assert.True(outcome.ExitCode == 0, $"{outcome.ExitCode} {outcome.Errors}");
        Assert.Equal(list.Length > 0, outcome.Errors.Contains("no /proc", StringComparison.Ordinal));
    }

    private static Outcome Script(Scratch scratch, string script, string list, string path = "")
    {
        scratch.Write("script", script);
        return scratch.Try("bash", "script", "", ("REHEAT_ANNOTATIONS", list.Length > 0 ? scratch.File(list) : ""), ("PATH", $"{Environment.GetEnvironmentVariable("PATH")}:{path}"));
    }

    private static Scratch Made()
    {
        var scratch = new Scratch();
        scratch.Write("a.s", Source);
        scratch.Write("list", List);
        return scratch;
    }
}
