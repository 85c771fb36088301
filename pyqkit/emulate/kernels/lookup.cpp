// Convolutions of codes by looking products up. A product is an integer that the activation's mantissa and the weight choose,
// times the activation's power of two. A row has the integers of one weight by mantissa; two rows fill a register, so that one
// permutation looks 32 products up, and one inner product multiplies them by their powers and adds pairs. Most weights share a
// shift: a chunk of them is added in 32 bits, as Python proves, for four outputs at a time. The others are entries of runs.
#include "lookup_products.hpp"
#include "lookup_sink.hpp"

namespace looked_up {

namespace {

const int TURNED = 16;  // outputs whose sums are taken at a time

// Products of a tile of pixels, the first of which is pixel `at` of the output. Sums of a few outputs stay in the cache, where all
// pairs are one block.
struct TileOfSums {
  const Window &w;
  const Lookup &l;
  Sink &sink;
  std::vector<int16_t> room;
  std::vector<int64_t> sums;  // [output][pixel]
  int16_t *x;                 // [chunk][part], each as `gather` makes it

  TileOfSums(const Window &w, const Lookup &l, Sink &sink)
      : w(w),
        l(l),
        sink(sink),
        room((int64_t)l.parts() * std::min(l.block, l.pairs) * PAIR + 32),
        sums(round_up(l.pairs <= l.block ? TURNED : w.outputs, TOGETHER) * PIXELS),
        x((int16_t *)round_up((int64_t)room.data(), 64)) {}

  template <int COUNT> void add(const Image &image, const Tile &tile, int64_t at, int pixels) {
    const Entry *entries = l.entries;
    const Run *run = l.runs;
    const int32_t *count = l.counts;
    const Four *common = l.common;
    for (int block = 0; block < l.pairs; block += l.block) {
      const int inside = std::min(l.block, l.pairs - block);
      for (int pair = 0; pair < inside; pair += l.chunk)
        gather(tile, image, l, block + pair, std::min(l.chunk, inside - pair), pixels,
               x + (int64_t)pair * l.parts() * PAIR);
      for (int o = 0; o < w.outputs; o += TOGETHER, common += inside) {
        int64_t *to = sums.data() + (int64_t)(l.pairs <= l.block ? o % TURNED : o) * PIXELS;
        add_block<COUNT>(common, inside, block == 0, to);
        for (int k = 0; k < std::min(TOGETHER, w.outputs - o); ++k)
          for (const Run *end = run + *count++; run < end; entries += run++->entries)
            add_entries<COUNT>(x, l.rows, entries, *run, to + k * PIXELS);
        const int done = std::min(o + TOGETHER, w.outputs), first = o / TURNED * TURNED;
        if (block + inside == l.pairs && (done % TURNED == 0 || done == w.outputs))
          sink.take(to - (int64_t)(o - first) * PIXELS, done - first, first, at, pixels);
      }
    }
  }

  // What has the common shift, of the pairs of a block.
  template <int COUNT> void add_block(const Four *common, int inside, bool fresh, int64_t *to) const {
    for (int pair = 0; pair < inside; pair += l.chunk) {
      const int pairs = std::min(l.chunk, inside - pair);
      for (int part = 0; part < l.parts(); ++part, fresh = false)
        add_fours<COUNT>(x + ((int64_t)pair * l.parts() + (int64_t)part * pairs) * PAIR,
                         l.rows + (int64_t)part / l.windows * l.height * 16, common + pair, pairs,
                         l.shift + WINDOW * (part % l.windows), fresh, to);
    }
  }
};

// Frames whose pixels are those of the output from `done` on.
void convolve(const uint8_t *codes, const Window &w, const Lookup &l, Sink &sink, int64_t done) {
  const int64_t area = (int64_t)w.rows * w.columns;
  const int together = (int)(area < PIXELS ? (PIXELS + area - 1) / area : 1);  // frames that fill a tile
  Image image(w, together);
  TileOfSums sums(w, l, sink);
  for (int frame = 0; frame < w.frames; frame += together) {
    const int frames = w.frames - frame < together ? w.frames - frame : together;
    image.spread(codes + (int64_t)frame * w.height * w.width * w.channels, w, frames, l);
    for (int64_t first = 0; first < frames * area; first += PIXELS) {
      const Tile tile(w, image, first, frames * area);
      const int pixels = (int)(frames * area - first < PIXELS ? frames * area - first : PIXELS);
      const int64_t at = done + frame * area + first;
      sink.begin(at);
      with_vectors(pixels, [&](auto count) { sums.add<count()>(image, tile, at, pixels); });
      sink.end(pixels);
    }
  }
}

// Windows of one pixel: those of all frames follow each other, in frames of a row of so many.
void convolve_pixels(const uint8_t *codes, const Window &w, Lookup l, Sink &sink, int frames, int row,
                     int64_t done) {
  Window rows = w;
  rows.frames = frames;
  rows.height = rows.rows = 1;
  rows.width = rows.columns = row;
  std::vector<int32_t> places(2 * (int64_t)l.pairs);
  for (int c = 0; c < w.channels; ++c) places[c] = c * row;
  l.places = places.data();
  convolve(codes + done * w.channels, rows, l, sink, done);
}

}  // namespace

extern "C" {

// Whether `pyqkit_lookup` runs on vectors.
int pyqkit_lookup_is_fast() {
#if defined(PYQKIT_VNNI) || defined(PYQKIT_AVX2)
  return 1;
#else
  return 0;
#endif
}

void pyqkit_lookup(const uint8_t *codes, const int32_t *shape, const Lookup *lookup, const Finish *finish) {
  Window w;
  std::memcpy(&w, shape, sizeof w);
  Lookup l = *lookup;
  const Readable kept(l);
  Sink sink(*finish, w.outputs, PIXELS);
  if (!is_pointwise(w)) return convolve(codes, w, l, sink, 0);
  const int64_t pixels = (int64_t)w.frames * w.height * w.width;
  const int tiles = (int)(pixels / PIXELS), rest = (int)(pixels % PIXELS);
  convolve_pixels(codes, w, l, sink, tiles, PIXELS, 0);
  if (rest) convolve_pixels(codes, w, l, sink, 1, rest, pixels - rest);
}
}

}  // namespace looked_up
