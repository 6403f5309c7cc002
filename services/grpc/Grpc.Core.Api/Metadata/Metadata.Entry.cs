using System.Buffers;
using System.Globalization;
using System.Text;

namespace Grpc.Core;

public sealed partial class Metadata
{
    /// <summary>One key with its value. Immutable: bytes are copied on their way in and out.</summary>
    public sealed class Entry
    {
        // The protocol's Header-Name: 1*( %x30-39 / %x61-7A / "_" / "-" / "." ).
        private static readonly SearchValues<char> KeyCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_-.");

        private readonly string? _value;
        private readonly byte[]? _bytes;

        /// <summary>A text entry.</summary>
        /// <exception cref="ArgumentException">The key is empty, has a character that gRPC does not allow, or names a binary entry.</exception>
        public Entry(string key, string value)
        {
            Key = Normalized(key);
            if (IsBinary)
                throw new ArgumentException($"metadata key '{key}' ends in '{BinaryHeaderSuffix}': its value has to be bytes", nameof(key));
            ArgumentNullException.ThrowIfNull(value);
            _value = value;
        }

        /// <summary>A binary entry.</summary>
        /// <exception cref="ArgumentException">The key is empty, has a character that gRPC does not allow, or names a text entry.</exception>
        public Entry(string key, byte[] valueBytes)
        {
            Key = Normalized(key);
            if (!IsBinary)
                throw new ArgumentException($"metadata key '{key}' has to end in '{BinaryHeaderSuffix}' to carry bytes", nameof(key));
            ArgumentNullException.ThrowIfNull(valueBytes);
            _bytes = [.. valueBytes];
        }

        /// <summary>The key in lower case.</summary>
        public string Key { get; }

        /// <summary>The text.</summary>
        /// <exception cref="InvalidOperationException">The entry is binary.</exception>
        public string Value => _value
            ?? throw new InvalidOperationException($"metadata entry '{Key}' is binary: read {nameof(ValueBytes)}");

        /// <summary>The bytes; of a text entry, its ASCII bytes.</summary>
        public byte[] ValueBytes => _bytes is null ? Encoding.ASCII.GetBytes(_value!) : [.. _bytes];

        /// <summary>True if the value is bytes.</summary>
        public bool IsBinary => Key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);

        /// <inheritdoc/>
        public override string ToString() => _bytes is null
            ? string.Create(CultureInfo.InvariantCulture, $"[Entry: key={Key}, value={_value}]")
            : string.Create(CultureInfo.InvariantCulture, $"[Entry: key={Key}, valueBytes={Convert.ToHexStringLower(_bytes)}]");

        private static string Normalized(string key)
        {
            ArgumentNullException.ThrowIfNull(key);
            string lower = key.ToLowerInvariant();
            if (lower.Length == 0 || lower.AsSpan().ContainsAnyExcept(KeyCharacters))
                throw new ArgumentException($"metadata key '{key}': expected letters, digits, '_', '-' and '.'", nameof(key));
            return lower;
        }
    }
}
