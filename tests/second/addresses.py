"""Which address of the annotated code an address of the plain code has become."""
import bisect


class Map:
    """Built while two instruction sequences are walked side by side. A place between instructions may be at either end of a filling."""

    def __init__(self):
        self.exact = {}           # boundary -> set of addresses
        self.starts, self.lengths = [], []
        self.fillings = []        # (start, end, start, end): a range of the plain code and what it has become

    def instruction(self, plain, annotated, size):
        self.add(plain, annotated)
        self.starts.append(plain)
        self.lengths.append((size, annotated))

    def add(self, plain, annotated):
        self.exact.setdefault(plain, set()).add(annotated)

    def of(self, plain):
        """The set of addresses that it may have become; empty if it is none of this section."""
        if plain in self.exact:
            return self.exact[plain]
        at = bisect.bisect_right(self.starts, plain) - 1
        if at >= 0:
            size, annotated = self.lengths[at]
            if plain < self.starts[at] + size:      # inside an instruction: behind its prefix
                return {annotated + plain - self.starts[at]}
        return set()

    def has(self, plain, annotated):
        return annotated in self.of(plain)

    def is_filling(self, annotated):
        return any(start <= annotated <= end for _, _, start, end in self.fillings)

    def is_gone(self, plain):
        """In a filling that the annotated code does not need."""
        return any(start <= plain < end and new == new_end for start, end, new, new_end in self.fillings)

    def length(self, plain, size, annotated, new_size):
        """Whether a range has become another."""
        return self.has(plain, annotated) and self.has(plain + size, annotated + new_size)

    def is_length(self, size, new_size):
        """Whether some range of that size has become one of the other."""
        return any(b - a == new_size for start in self.exact if start + size in self.exact
                   for a in self.exact[start] for b in self.exact[start + size])


class Identity:
    """For sections without code, which do not change."""

    @staticmethod
    def of(plain):
        return {plain}

    @staticmethod
    def has(plain, annotated):
        return plain == annotated

    @staticmethod
    def length(plain, size, annotated, new_size):
        return (plain, size) == (annotated, new_size)
