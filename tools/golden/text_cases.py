"""Strings that tokenizers stumble over, from a seed; `test/text/text-cases.ts` makes the same ones.

Strings are lists of UTF-16 units, because JavaScript's are: some have half a surrogate pair.
"""

CODE = [
    "for (let i = 0; i < n; i++) {",
    "def f(x):\n    return x ** 2\n",
    "<a href=\"x\">y</a>",
    "SELECT * FROM t WHERE a='b';",
    "#include <stdio.h>\r\n",
    "0x1F + 1e-9 != NaN",
    "they'LL we've I'M it's",
    "\\n\\t\\u0041",
    "a_b-c.d/e?f=g&h",
]
EMOJI = [
    "\U0001F468\u200D\U0001F469\u200D\U0001F467",
    "\U0001F44D\U0001F3FD",
    "\U0001F1E9\U0001F1EA",
    "1\uFE0F\u20E3",
    "\u2764\uFE0F\u200D\U0001F525",
    "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
    "\U0001F600\U0001F600\U0001F600",
]
SPACES = [0x20, 0x20, 0x20, 0x09, 0x0A, 0x0D, 0xA0, 0x2003, 0x3000, 0x2028]
# First code point and how many: letters of many scripts, marks, digits, symbols, private use, unassigned.
RANGES = [
    (0xC0, 0x140), (0x370, 0x90), (0x400, 0x100), (0x5D0, 0x1B), (0x620, 0x40), (0x900, 0x70),
    (0xE01, 0x3A), (0x3041, 0x56), (0x4E00, 0x400), (0xAC00, 0x400), (0x300, 0x70), (0x660, 10),
    (0x2190, 0x70), (0x1D400, 0x100), (0x20000, 0x100), (0xE000, 0x20), (0xFFF0, 16), (0x2150, 0x40),
    (0x1100, 0x60), (0xFF01, 0x5E),
]
CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x200E, 0x202E, 0x2060, 0xFEFF, 0xFFFD]


class Stream:
    """Marsaglia's xorshift of 32 bits."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state ^= (self.state << 13) & 0xFFFFFFFF
        self.state ^= self.state >> 17
        self.state ^= (self.state << 5) & 0xFFFFFFFF
        return self.state % limit


def units_of(code_points):
    units = []
    for point in code_points:
        if point < 0x10000:
            units.append(point)
        else:
            units += [0xD800 + ((point - 0x10000) >> 10), 0xDC00 + ((point - 0x10000) & 0x3FF)]
    return units


def piece(stream):
    kind = stream.below(9)
    if kind <= 1:
        return [0x61 + stream.below(26) - (32 if stream.below(5) == 0 else 0) for _ in range(1 + stream.below(8))]
    if kind == 2:
        return [0x21 + stream.below(0x1F) for _ in range(1 + stream.below(5))]
    if kind == 3:
        return [SPACES[stream.below(len(SPACES))] for _ in range(1 + stream.below(6))]
    if kind == 4:
        return units_of(map(ord, CODE[stream.below(len(CODE))]))
    if kind == 5:
        first, count = RANGES[stream.below(len(RANGES))]
        return units_of([first + stream.below(count) for _ in range(1 + stream.below(5))])
    if kind == 6:
        return units_of(map(ord, EMOJI[stream.below(len(EMOJI))]))
    if kind == 7:
        return [CONTROLS[stream.below(len(CONTROLS))] for _ in range(1 + stream.below(3))]
    return [0xD800 + stream.below(0x800)]


def text_cases(count, seed):
    """`count` lists of UTF-16 units."""
    stream = Stream(seed)
    return [[unit for _ in range(stream.below(9)) for unit in piece(stream)] for _ in range(count)]


def well_formed(units):
    """The string, half pairs replaced by U+FFFD: what a UTF-8 encoder makes of it."""
    points = []
    at = 0
    while at < len(units):
        unit = units[at]
        at += 1
        if 0xD800 <= unit < 0xDC00 and at < len(units) and 0xDC00 <= units[at] < 0xE000:
            points.append(0x10000 + ((unit - 0xD800) << 10) + (units[at] - 0xDC00))
            at += 1
        else:
            points.append(0xFFFD if 0xD800 <= unit < 0xE000 else unit)
    return "".join(map(chr, points))
