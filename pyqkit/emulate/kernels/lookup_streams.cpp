// Products of two streams of codes as matrices (pyqkit/graph/ops/matrix_product.py), looked up as those with weights are (see
// lookup.cpp): a code of the right stream chooses a row. Rows come with a few shifts, and are added shift by shift.
#include "lookup_products.hpp"
#include "lookup_sink.hpp"

namespace looked_up {

// What Python passes; emulate/stream_lookups.py has the same structure.
struct Streams {
  const uint8_t *mantissa, *power;  // by code of the left stream; powers by index into `powers`
  const int16_t *powers;            // [window][64]
  const int16_t *rows;              // [sixteen mantissas][row][16]
  const uint8_t *row;     // [shift][256], by code of the right stream; 0, which is empty, for other shifts
  const int32_t *shifts;  // of rows
  int32_t windows, groups, height, count;  // groups of mantissas, rows of each, shifts
  int32_t chunk;                           // pairs whose sum fits 32 bits
  int32_t left_pixels, right_pixels, heads, terms, results, across;

  int pairs() const { return (terms + 1) / 2; }
  int outputs() const { return (int)round_up(results, TOGETHER); }

  // Codes of the right stream for a result, from one term to the next.
  const uint8_t *codes(const uint8_t *right, int head, int result) const {
    return right + (across ? (int64_t)head * results + result
                           : (int64_t)result * heads * terms + (int64_t)head * terms);
  }
  int64_t step() const { return across ? (int64_t)heads * results : 1; }
};

namespace {

// Pairs of a chunk with a row for one of four results: those whose rows are all empty are left out.
struct Fours {
  std::vector<uint8_t> rows;  // [shift][code of a frame of the right stream]
  std::vector<Four> fours;    // [shift][chunk][four results], as many as counted
  std::vector<int> counts;

  // Those of all codes of a frame.
  void look(const uint8_t *right, int64_t codes, const Streams &s) {
    rows.resize(s.count * codes);
    for (int shift = 0; shift < s.count; ++shift)
      look_up(right, codes, s.row + 256 * shift, rows.data() + shift * codes);
  }

  // Those of a head.
  void choose(const Streams &s, int head) {
    fours.resize((int64_t)s.count * s.pairs() * (s.outputs() / TOGETHER) + 1);
    counts.clear();
    Four *to = fours.data();
    const int64_t codes = rows.size() / s.count;
    for (int shift = 0; shift < s.count; ++shift)
      for (int pair = 0; pair < s.pairs(); pair += s.chunk)
        for (int result = 0; result < s.results; result += TOGETHER) {
          const Four *before = to;
          for (int k = pair; k < std::min(pair + s.chunk, s.pairs()); ++k)
            to += chosen(s.codes(rows.data() + shift * codes, head, result), s,
                         std::min(TOGETHER, s.results - result), k, k - pair, *to);
          counts.push_back((int)(to - before));
        }
  }

  // Whether one of the rows is not empty.
  bool chosen(const uint8_t *from, const Streams &s, int results, int pair, int place, Four &four) const {
    const int64_t apart = s.across ? 1 : (int64_t)s.heads * s.terms, step = s.step();
    unsigned any = 0;
    from += 2 * pair * step;
    const bool single = 2 * pair + 1 == s.terms;  // the last one, of an odd number
    four = {};
    four.pair = (uint16_t)place;
    for (int o = 0; o < results; ++o) {
      const uint8_t first = from[o * apart], second = single ? 0 : from[o * apart + step];
      four.rows[o][0] = first, four.rows[o][1] = second;
      any |= first | second;
    }
    return any;
  }
};

// The left stream as the image of a convolution, each channel a row of pixels.
struct Left {
  Window window{};
  Lookup lookup{};
  std::vector<int32_t> places;  // [head][pair][2]

  explicit Left(const Streams &s) : places((int64_t)s.heads * s.pairs() * 2) {
    window.height = window.rows = 1;
    window.width = window.columns = s.left_pixels;
    window.channels = s.heads * s.terms;
    window.stride_h = window.stride_w = 1;
    lookup.mantissa = s.mantissa, lookup.power = s.power, lookup.powers = s.powers;
    lookup.windows = s.windows, lookup.groups = s.groups;
    for (int head = 0; head < s.heads; ++head)
      for (int term = 0; term < s.terms; ++term)
        places[(int64_t)head * s.pairs() * 2 + term] = (head * s.terms + term) * s.left_pixels;
  }

  Lookup of(int head, int pairs) const {
    Lookup l = lookup;
    l.places = places.data() + (int64_t)head * pairs * 2;
    return l;
  }
};

// Sums of a tile of pixels, [result][pixel].
void add_products(const Tile &tile, const Image &image, const Lookup &l, const Streams &s, const Fours &fours,
                  int pixels, int16_t *x, int64_t *sums) {
  const int parts = s.groups * s.windows;
  for (int pair = 0; pair < s.pairs(); pair += s.chunk)
    gather(tile, image, l, pair, std::min(s.chunk, s.pairs() - pair), pixels,
           x + (int64_t)pair * parts * PAIR);
  const Four *four = fours.fours.data();
  const int *count = fours.counts.data();
  for (int shift = 0; shift < s.count; ++shift)
    for (int pair = 0; pair < s.pairs(); pair += s.chunk) {
      const int pairs = std::min(s.chunk, s.pairs() - pair);
      const bool first = !shift && !pair;
      for (int result = 0; result < s.results; result += TOGETHER, four += *count++)
        for (int part = 0; part < parts && (*count || first); ++part)
          with_vectors(pixels, [&](auto vectors) {
            add_fours<vectors()>(x + ((int64_t)pair * parts + (int64_t)part * pairs) * PAIR,
                                 s.rows + (int64_t)part / s.windows * s.height * 16, four, *count,
                                 s.shifts[shift] + WINDOW * (part % s.windows), first && !part,
                                 sums + (int64_t)result * PIXELS);
          });
    }
}

}  // namespace

extern "C" {

void pyqkit_lookup_streams(const uint8_t *left, const uint8_t *right, int frames, const Streams *streams,
                           const Finish *finish) {
  Streams s = *streams;
  const Readable kept(s);
  const Left from(s);
  Image image(from.window, 1);
  std::vector<int16_t> room((int64_t)s.groups * s.windows * s.pairs() * PAIR + 32);
  int16_t *x = (int16_t *)round_up((int64_t)room.data(), 64);
  Fours fours;
  std::vector<int64_t> sums((int64_t)s.outputs() * PIXELS);
  Sink sink(*finish, s.heads * s.results, s.left_pixels);
  for (int frame = 0; frame < frames; ++frame) {
    image.spread(left + frame * (int64_t)s.left_pixels * from.window.channels, from.window, 1, from.lookup);
    const int64_t codes = (int64_t)s.right_pixels * s.heads * (s.across ? s.results : s.terms);
    fours.look(right + frame * codes, codes, s);
    const int64_t pixel = (int64_t)frame * s.left_pixels;
    sink.begin(pixel);
    for (int head = 0; head < s.heads; ++head) {
      fours.choose(s, head);
      const Lookup l = from.of(head, s.pairs());
      for (int first = 0; first < s.left_pixels; first += PIXELS) {
        const int pixels = std::min(PIXELS, s.left_pixels - first);
        const Tile tile(from.window, image, first, s.left_pixels);
        add_products(tile, image, l, s, fours, pixels, x, sums.data());
        sink.take(sums.data(), s.results, head * s.results, pixel + first, pixels);
      }
    }
    sink.end(s.left_pixels);
  }
}
}

}  // namespace looked_up
