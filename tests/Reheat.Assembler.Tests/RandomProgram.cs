using System.Globalization;
using System.Text;

namespace Reheat.Assembler.Tests;

/// <summary>A C program of a seed: functions that access volatile memory in all widths and ways, and a checksum of what they did.</summary>
internal sealed class RandomProgram(int seed)
{
    private static readonly string[] Types = ["uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t", "int32_t"];

    private readonly Random _random = new(seed);
    private readonly StringBuilder _text = new();

    public static string Write(int seed) => new RandomProgram(seed).Program();

    private string Program()
    {
        _text.Append("#include <stdint.h>\n#include <stdio.h>\n");
        _text.Append("static union { uint8_t b[4096]; uint64_t q[512]; } memory __attribute__((aligned(64)));\nstatic uint64_t sum;\n");
        int functions = _random.Next(3, 9);
        for (int i = 0; i < functions; i++)
            Function(i);
        _text.Append("int main(void)\n{\n\tfor (int i = 0; i < 512; i++)\n\t\tmemory.q[i] = i * 0x9e3779b97f4a7c15ull;\n");
        _text.Append(CultureInfo.InvariantCulture, $"\tfor (int i = 0; i < {_random.Next(1, 3)}; i++) {{\n");
        for (int i = 0; i < functions; i++)
            _text.Append(CultureInfo.InvariantCulture, $"\t\tsum = sum * 31 + f{i}(memory.b + {_random.Next(64) * 8}, i + {_random.Next(9)});\n");
        _text.Append("\t}\n\tfor (int i = 0; i < 512; i++)\n\t\tsum = sum * 31 + memory.q[i];\n\tprintf(\"%llx\\n\", (unsigned long long)sum);\n\treturn 0;\n}\n");
        return _text.ToString();
    }

    private void Function(int number)
    {
        string attribute = _random.Next(3) switch { 0 => "static ", 1 => "__attribute__((noinline)) static ", _ => "" };
        _text.Append(CultureInfo.InvariantCulture, $"{attribute}uint64_t f{number}(volatile uint8_t *p, int n)\n{{\n\tuint64_t a = n, b = 1;\n");
        _text.Append(CultureInfo.InvariantCulture, $"\tfor (int i = 0; i < n + {_random.Next(1, 6)}; i++) {{\n");
        int statements = _random.Next(3, 14);
        for (int i = 0; i < statements; i++)
            _text.Append("\t\t").Append(Statement(number)).Append('\n');
        _text.Append("\t}\n\treturn a * 7 + b;\n}\n\n");
    }

    private string Statement(int number)
    {
        string type = Types[_random.Next(Types.Length)];
        string place = string.Create(CultureInfo.InvariantCulture, $"*(volatile {type} *)(p + {_random.Next(128) * 8}{(_random.Next(2) == 0 ? " + (i & 7) * 8" : "")})");
        string constant = _random.Next(1, 1 << _random.Next(1, 30)).ToString(CultureInfo.InvariantCulture);
        return _random.Next(18) switch
        {
            0 => $"{place} = {constant};",
            1 => $"{place} = a;",
            2 => $"a += {place};",
            3 => $"b ^= {place} << (a & 3);",
            4 => $"{place} += b;",
            5 => $"{place} |= {constant};",
            6 => $"{place} &= ~{constant};",
            7 => $"{place} ^= a;",
            8 => $"({place})++;",
            9 => $"a -= __atomic_exchange_n(&{place}, b, __ATOMIC_SEQ_CST);",
            10 => $"a ^= __sync_val_compare_and_swap(&{place}, {place}, ({type})a);",
            11 => $"b += __atomic_fetch_add(&{place}, {constant}, __ATOMIC_SEQ_CST);",
            12 => $"__atomic_fetch_or(&{place}, ({type})a, __ATOMIC_SEQ_CST);",
            13 => $"if ({place} & {constant}) b++; else a += 3;",
            14 => $"if ({place} == ({type})a) b *= 5;",
            15 => $"a = __atomic_fetch_or(&{place}, ({type})(1u << ({constant} & 7)), __ATOMIC_SEQ_CST) & (1u << ({constant} & 7)) ? a + 1 : a ^ b;",
            16 => $"{{ const volatile void *s = p + {_random.Next(64) * 8}; volatile void *d = p + {1024 + _random.Next(64) * 8}; long c = {_random.Next(40)}; " +
                "__asm__ volatile(\"rep ; movsb\" : \"+S\"(s), \"+D\"(d), \"+c\"(c) :: \"memory\"); }",
            _ => number > 0 && _random.Next(3) == 0 ? $"if (i == 1) a += f{_random.Next(number)}(p, 1);" : $"__asm__ volatile(\"lock; {{addl $3,%0|add %0, 3}}\" : \"+m\"({place.Replace(type, "uint32_t", StringComparison.Ordinal)}));",
        };
    }
}
