// Convolutions of codes by looking products up. A product is an integer that the activation's mantissa and the weight choose,
// times the activation's power of two. A row has the integers of one weight by mantissa; two rows fill a register, so that one
// permutation looks 32 products up, and one inner product multiplies them by their powers and adds pairs. Most weights share a
// shift: a chunk of them is added in 32 bits, as Python proves, for four outputs at a time. The others are entries of runs.
#include "lookup_products.hpp"
#include "lookup_sink.hpp"

namespace looked_up {

namespace {

// Frames whose pixels are those of the output from `done` on.
void convolve(const uint8_t *codes, const Window &w, const Lookup &l, Sink &sink, int64_t done) {
  const int64_t area = (int64_t)w.rows * w.columns;
  const int together = (int)(area < PIXELS ? (PIXELS + area - 1) / area : 1);  // frames that fill a tile
  Image image(w, together);
  std::vector<int16_t> room((int64_t)l.groups * l.windows * l.chunk * PAIR + 32);
  int16_t *x = (int16_t *)round_up((int64_t)room.data(), 64);
  std::vector<int64_t> sums(round_up(w.outputs, TOGETHER) * PIXELS);
  for (int frame = 0; frame < w.frames; frame += together) {
    const int frames = w.frames - frame < together ? w.frames - frame : together;
    image.spread(codes + (int64_t)frame * w.height * w.width * w.channels, w, frames, l);
    for (int64_t first = 0; first < frames * area; first += PIXELS) {
      const Tile tile(w, image, first, frames * area);
      const int pixels = (int)(frames * area - first < PIXELS ? frames * area - first : PIXELS);
      std::memset(sums.data(), 0, sizeof(int64_t) * sums.size());
      const Entry *entries = l.entries;
      const Run *run = l.runs;
      const int32_t *count = l.counts;
      const uint16_t *common = l.common;
      for (int pair = 0; pair < l.pairs; pair += l.chunk) {
        const int pairs = l.pairs - pair < l.chunk ? l.pairs - pair : l.chunk;
        gather(tile, image, l, pair, pairs, pixels, x);
        for (int o = 0; o < w.outputs; o += TOGETHER, common += (int64_t)pairs * TOGETHER * 2)
          for (int part = 0; part < l.groups * l.windows; ++part)
            add_common(x + (int64_t)part * pairs * PAIR, l.rows + (int64_t)part / l.windows * l.height * 16,
                       common, pairs, l.shift + WINDOW * (part % l.windows), pixels,
                       sums.data() + (int64_t)o * PIXELS);
        for (int o = 0; o < w.outputs; ++o)
          for (const Run *end = run + *count++; run < end; entries += run++->entries)
            add_run(x, l.rows, entries, *run, sums.data() + (int64_t)o * PIXELS);
      }
      const int64_t at = done + frame * area + first;
      sink.begin(at);
      sink.take(sums.data(), w.outputs, 0, at, pixels);
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
#ifdef PYQKIT_AVX2
  const auto rows = bytes_apart(l.rows, (int64_t)l.groups * l.height * 16, 16);
  const auto powers = bytes_apart(l.powers, (int64_t)l.windows * POWERS, POWERS);
  l.rows = rows.data(), l.powers = powers.data();
#endif
  Sink sink(*finish, w.outputs, PIXELS);
  if (!is_pointwise(w)) return convolve(codes, w, l, sink, 0);
  const int64_t pixels = (int64_t)w.frames * w.height * w.width;
  const int tiles = (int)(pixels / PIXELS), rest = (int)(pixels % PIXELS);
  convolve_pixels(codes, w, l, sink, tiles, PIXELS, 0);
  if (rest) convolve_pixels(codes, w, l, sink, 1, rest, pixels - rest);
}
}

}  // namespace looked_up
