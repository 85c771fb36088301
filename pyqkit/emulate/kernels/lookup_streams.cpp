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
  const uint16_t
      *row;  // [shift][256], by code of the right stream; the first, which is empty, for other shifts
  const int32_t *shifts;                   // of rows
  int32_t windows, groups, height, count;  // groups of mantissas, rows of each, shifts
  int32_t chunk;                           // pairs whose sum fits 32 bits
  int32_t left_pixels, right_pixels, heads, terms, results, across;

  int pairs() const { return (terms + 1) / 2; }
  int outputs() const { return (int)round_up(results, TOGETHER); }
  int64_t chosen() const { return (int64_t)count * outputs() * pairs() * 2; }  // rows of a head

  // Codes of the right stream for a result, from one term to the next.
  const uint8_t *codes(const uint8_t *right, int head, int result) const {
    return right + (across ? (int64_t)head * results + result
                           : (int64_t)result * heads * terms + (int64_t)head * terms);
  }
  int64_t step() const { return across ? (int64_t)heads * results : 1; }
};

namespace {

// Rows that a head of the right stream chooses, in the order of use: [chunk][shift][four results][pair][result][2].
void choose(const uint8_t *right, const Streams &s, int head, uint16_t *to) {
  const int64_t step = s.step();
  for (int pair = 0; pair < s.pairs(); pair += s.chunk) {
    const int last = std::min(2 * (pair + s.chunk), 2 * s.pairs());
    for (int shift = 0; shift < s.count; ++shift)
      for (int four = 0; four < s.outputs(); four += TOGETHER) {
        const int inside = std::min(TOGETHER, s.results - four);
        uint16_t *first = to;
        to += (last - 2 * pair) * TOGETHER;
        std::fill(first, to, 0);
        for (int o = 0; o < inside; ++o) {
          const uint8_t *codes = s.codes(right, head, four + o);
          for (int term = 2 * pair; term < std::min(last, s.terms); ++term)
            first[(term / 2 - pair) * 2 * TOGETHER + 2 * o + term % 2] =
                s.row[256 * shift + codes[term * step]];
        }
      }
  }
}

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
void add_products(const Tile &tile, const Image &image, const Lookup &l, const Streams &s,
                  const uint16_t *which, int pixels, int16_t *x, int64_t *sums) {
  const int parts = s.groups * s.windows;
  for (int pair = 0; pair < s.pairs(); pair += s.chunk) {
    const int pairs = std::min(s.chunk, s.pairs() - pair);
    gather(tile, image, l, pair, pairs, pixels, x);
    for (int shift = 0; shift < s.count; ++shift)
      for (int four = 0; four < s.outputs(); four += TOGETHER, which += (int64_t)pairs * TOGETHER * 2)
        for (int part = 0; part < parts; ++part)
          add_common(x + (int64_t)part * pairs * PAIR, s.rows + (int64_t)part / s.windows * s.height * 16,
                     which, pairs, s.shifts[shift] + WINDOW * (part % s.windows), pixels,
                     sums + (int64_t)four * PIXELS);
  }
}

}  // namespace

extern "C" {

void pyqkit_lookup_streams(const uint8_t *left, const uint8_t *right, int frames, const Streams *streams,
                           const Finish *finish) {
  Streams s = *streams;
#ifdef PYQKIT_AVX2
  const auto rows = bytes_apart(s.rows, (int64_t)s.groups * s.height * 16, 16);
  const auto powers = bytes_apart(s.powers, (int64_t)s.windows * POWERS, POWERS);
  s.rows = rows.data(), s.powers = powers.data();
#endif
  const Left from(s);
  Image image(from.window, 1);
  const int64_t chunk = std::min(s.chunk, s.pairs());
  std::vector<int16_t> room((int64_t)s.groups * s.windows * chunk * PAIR + 32);
  int16_t *x = (int16_t *)round_up((int64_t)room.data(), 64);
  std::vector<uint16_t> which(s.chosen());
  std::vector<int64_t> sums((int64_t)s.outputs() * PIXELS);
  Sink sink(*finish, s.heads * s.results, s.left_pixels);
  for (int frame = 0; frame < frames; ++frame) {
    image.spread(left + frame * (int64_t)s.left_pixels * from.window.channels, from.window, 1, from.lookup);
    const uint8_t *codes =
        right + frame * (int64_t)s.right_pixels * s.heads * (s.across ? s.results : s.terms);
    const int64_t pixel = (int64_t)frame * s.left_pixels;
    sink.begin(pixel);
    for (int head = 0; head < s.heads; ++head) {
      choose(codes, s, head, which.data());
      const Lookup l = from.of(head, s.pairs());
      for (int first = 0; first < s.left_pixels; first += PIXELS) {
        const int pixels = std::min(PIXELS, s.left_pixels - first);
        const Tile tile(from.window, image, first, s.left_pixels);
        std::memset(sums.data(), 0, sizeof(int64_t) * sums.size());
        add_products(tile, image, l, s, which.data(), pixels, x, sums.data());
        sink.take(sums.data(), s.results, head * s.results, pixel + first, pixels);
      }
    }
    sink.end(s.left_pixels);
  }
}
}

}  // namespace looked_up
