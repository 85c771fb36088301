// Convolutions of codes by looking products up. A product is an integer that the activation's mantissa and the weight choose,
// times the activation's power of two. A row has the integers of one weight by mantissa; two rows fill a register, so that one
// permutation looks 32 products up, and one inner product multiplies them by their powers and adds pairs. Most weights share a
// shift: a chunk of them is added in 32 bits, as Python proves, for four outputs at a time. The others are entries of runs.
#include <algorithm>
#include <vector>

#include "requantise.hpp"
#include "vector.hpp"
#include "window.hpp"
#ifdef PYQKIT_AVX2
#include "lookup_avx2.hpp"
#endif

namespace looked_up {

struct Entry {
  uint16_t pair, rows[2], unused;  // of activations, counted from the first of the chunk; one row each
};

struct Run {
  int32_t entries, shift;
};

// What Python passes; emulate/carriers/lookup.py has the same structure.
struct Lookup {
  const uint8_t *mantissa, *power;  // by code; powers by index into `powers`
  const int16_t *powers;            // [window][64]
  const int16_t *rows;              // [sixteen mantissas][row][16]
  const int32_t *places;            // [pair][2] of elements of the window in the image that `spread` makes
  const uint16_t
      *common;  // rows of the weights that have the common shift, [chunk][four outputs][pair][output][2]
  const Entry *entries;  // of all others
  const Run *runs;
  const int32_t *counts;                                       // of runs, [chunk][output]
  int32_t windows, groups, height, pairs, chunk, zero, shift;  // groups of mantissas, rows of each
};

// Where sums go: as they are, or with the codes of another branch added, requantised as integers of 32 or 64 bits.
struct Finish {
  int64_t *sums;
  const void *joined;       // [pixel][output] codes of the other branch, or its int64 without `integers`
  const int64_t *integers;  // by code
  const int64_t *scale, *factor;  // [output], of the sums and of the other branch
  int32_t wide;
  const Requantiser *requantiser;
  void *out;
};

namespace {

const int VECTORS = 4, PIXELS = VECTORS * LANES;  // of a tile, whose sums stay in registers

const int PAIR =
    2 * PIXELS * 2;      // of one chunk of a tile: [group][window][pair][mantissas, powers][vector][pixel][2]
const int TOGETHER = 4;  // outputs
const int WINDOW = 15;   // powers of two that are int16
const int POWERS = 64;   // with both signs, and zero

int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// Frames with their borders, channel by channel, columns that a stride keeps apart one after the other.
struct Image {
  int64_t row, channel, frame;             // bytes from one to the next
  std::vector<uint16_t> words;             // mantissa, and 256 times the index of the power
  std::vector<uint8_t> mantissas, powers;  // of one frame as it comes

  Image(const Window &w, int frames)
      : row(round_up(w.left + w.width + w.right, w.stride_w)),
        channel(row * (w.top + w.height + w.bottom)),
        frame(channel * w.channels),
        words(frame * frames + PIXELS),
        mantissas((int64_t)w.height * w.width * w.channels),
        powers(mantissas.size()) {}

  void spread(const uint8_t *codes, const Window &w, int frames, const Lookup &l) {
    std::fill(words.begin(), words.end(), (uint16_t)(l.mantissa[l.zero] + 256 * l.power[l.zero]));
    for (int f = 0; f < frames; ++f, codes += powers.size()) {
      look_up(codes, powers.size(), l.mantissa, mantissas.data());
      look_up(codes, powers.size(), l.power, powers.data());
#if defined(PYQKIT_VNNI) || defined(PYQKIT_AVX2)
      if (w.stride_w == 1 && w.channels % 16 == 0 &&
          (w.width % 16 == 0 || (w.width == 8 && w.height % 2 == 0))) {
        spread_blocks(w, words.data() + f * frame);
        continue;
      }
#endif
      spread_elements(w, words.data() + f * frame);
    }
  }

  void spread_elements(const Window &w, uint16_t *to) {
    const int64_t apart = row / w.stride_w;
    int64_t from = 0;
    for (int y = 0; y < w.height; ++y)
      for (int x = 0; x < w.width; ++x) {
        const int column = x + w.left;
        uint16_t *at = to + (y + w.top) * row + column % w.stride_w * apart + column / w.stride_w;
        for (int c = 0; c < w.channels; ++c, ++from)
          at[c * channel] = (uint16_t)(mantissas[from] + 256 * powers[from]);
      }
  }

#if defined(PYQKIT_VNNI) || defined(PYQKIT_AVX2)
  // Sixteen pixels and channels at a time.
  void spread_blocks(const Window &w, uint16_t *to) {
    for (int pixel = 0; pixel < w.height * w.width; pixel += 16) {
      uint16_t *at = to + (pixel / w.width + w.top) * row + pixel % w.width + w.left;
      for (int first = 0; first < w.channels; first += 16) {
        __m128i m[16], e[16];
        turn(mantissas.data() + (int64_t)pixel * w.channels + first, w.channels, m);
        turn(powers.data() + (int64_t)pixel * w.channels + first, w.channels, e);
        for (int i = 0; i < 16; ++i) {
          uint16_t *line = at + (first + i) * channel;
          _mm_storeu_si128((__m128i *)line, _mm_unpacklo_epi8(m[i], e[i]));
          _mm_storeu_si128((__m128i *)(line + (w.width == 8 ? row : 8)), _mm_unpackhi_epi8(m[i], e[i]));
        }
      }
    }
  }

  // Sixteen rows of sixteen bytes, rows and columns exchanged: four perfect shuffles.
  static void turn(const uint8_t *from, int64_t stride, __m128i *x) {
    __m128i y[16];
    for (int i = 0; i < 16; ++i) x[i] = _mm_loadu_si128((const __m128i *)(from + i * stride));
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 8; ++i) {
        y[2 * i] = _mm_unpacklo_epi8(x[i], x[i + 8]);
        y[2 * i + 1] = _mm_unpackhi_epi8(x[i], x[i + 8]);
      }
      for (int i = 0; i < 16; ++i) x[i] = y[i];
    }
  }
#endif

  static void look_up(const uint8_t *codes, int64_t count, const uint8_t *table, uint8_t *to) {
    int64_t i = 0;
#if defined(PYQKIT_VNNI) && defined(__AVX512VBMI__)
    __m512i t[4];
    for (int k = 0; k < 4; ++k) t[k] = _mm512_loadu_si512(table + 64 * k);
    for (; i + 64 <= count; i += 64) {
      const __m512i x = _mm512_loadu_si512(codes + i);
      const __m512i low = _mm512_permutex2var_epi8(t[0], x, t[1]),
                    high = _mm512_permutex2var_epi8(t[2], x, t[3]);
      _mm512_storeu_si512(to + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
    }
#endif
    for (; i < count; ++i) to[i] = table[codes[i]];
  }
};

// Where the pixels of a tile lie in an image, for the first element of the window.
struct Tile {
  int64_t places[PIXELS];
  int step;  // pixels that lie one after the other in every group of as many

  Tile(const Window &w, const Image &image, int64_t first, int64_t pixels) {
    step = first + PIXELS > pixels ? 1 : w.columns % 16 == 0 ? 16 : w.columns % 8 == 0 ? 8 : 1;
    const int64_t area = (int64_t)w.rows * w.columns;
    int64_t frame = first / area, row = first % area / w.columns, column = first % w.columns;
    for (int p = 0; p < PIXELS; ++p) {
      places[p] = frame * image.frame + row * w.stride_h * image.row + column;
      if (first + p + 1 >= pixels || ++column < w.columns) continue;
      column = 0;
      if (++row == w.rows) row = 0, ++frame;
    }
  }

  // Sixteen pixels of an element.
  const uint16_t *words(const uint16_t *element, int vector, uint16_t *room) const {
    const int64_t *from = places + vector * LANES;
    if (step == 16) return element + from[0];
    if (step == 8) {
      std::memcpy(room, element + from[0], 16);
      std::memcpy(room + 8, element + from[8], 16);
    } else {
      for (int p = 0; p < LANES; ++p) room[p] = element[from[p]];
    }
    return room;
  }
};

// Sixteen pixels of a pair: mantissas, and powers of those that are in a group.
void split(const uint16_t *first, const uint16_t *second, int group, const int16_t *powers, int16_t *to) {
#ifdef PYQKIT_VNNI
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
  const __m512i both = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
  const __mmask32 inside =
      _mm512_cmpeq_epi16_mask(_mm512_and_si512(both, _mm512_set1_epi16(0xf0)), _mm512_set1_epi16(16 * group));
  const __m512i found = _mm512_maskz_permutex2var_epi16(
      inside, _mm512_loadu_si512(powers), _mm512_srli_epi16(both, 8), _mm512_loadu_si512(powers + 32));
  const __m512i mantissas = _mm512_and_si512(both, _mm512_set1_epi16(15));
  _mm512_store_si512(
      to, _mm512_or_si512(mantissas, _mm512_set1_epi32(16 << 16)));  // the second row is the upper half
  _mm512_store_si512(to + 2 * PIXELS, found);
#elif defined(PYQKIT_AVX2)
  split_bytes(first, second, group, powers, to, 2 * PIXELS);
#else
  for (int p = 0; p < LANES; ++p)
    for (int side = 0; side < 2; ++side) {
      const uint16_t word = side ? second[p] : first[p];
      to[2 * p + side] = word % 16 + 16 * side;
      to[2 * PIXELS + 2 * p + side] = word / 16 % 16 == group ? powers[word / 256] : 0;
    }
#endif
}

// Mantissas and powers of some pairs.
void gather(const Tile &tile, const Image &image, const Lookup &l, int first, int pairs, int16_t *x) {
  uint16_t room[2][LANES];
  for (int pair = 0; pair < pairs; ++pair)
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) {
      const uint16_t *from[2];
      for (int side = 0; side < 2; ++side)
        from[side] = tile.words(image.words.data() + l.places[2 * (first + pair) + side], v, room[side]);
      int16_t *to = x + (int64_t)pair * PAIR + v * 2 * LANES;
      for (int group = 0; group < l.groups; ++group)
        for (int window = 0; window < l.windows; ++window, to += (int64_t)pairs * PAIR)
          split(from[0], from[1], group, l.powers + POWERS * window, to);
    }
}

#ifdef PYQKIT_VNNI
__m512i two_rows(const int16_t *rows, const uint16_t *which) {
  const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(rows + 16 * which[0])));
  return _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i *)(rows + 16 * which[1])), 1);
}

void add_shifted(const __m512i *found, int by, int64_t *sums) {
  const __m128i shift = _mm_cvtsi32_si128(by);
#pragma GCC unroll 8
  for (int v = 0; v < VECTORS; ++v, sums += LANES) {
    const __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(found[v]));
    const __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(found[v], 1));
    _mm512_storeu_si512(sums, _mm512_add_epi64(_mm512_loadu_si512(sums), _mm512_sll_epi64(low, shift)));
    _mm512_storeu_si512(sums + 8,
                        _mm512_add_epi64(_mm512_loadu_si512(sums + 8), _mm512_sll_epi64(high, shift)));
  }
}
#elif !defined(PYQKIT_AVX2)
void add_products(const int16_t *x, const int16_t *rows, const uint16_t *which, int32_t *found) {
  for (int p = 0; p < PIXELS; ++p, x += 2)
    found[p] +=
        rows[16 * which[0] + x[0]] * x[2 * PIXELS] + rows[16 * which[1] + x[1] - 16] * x[2 * PIXELS + 1];
}

void add_shifted(const int32_t *found, int shift, int64_t *sums) {
  for (int p = 0; p < PIXELS; ++p) sums[p] += found[p] * ((int64_t)1 << shift);
}
#endif

// Products of some pairs with the weights of a few outputs that have the common shift.
void add_common(const int16_t *x, const int16_t *rows, const uint16_t *which, int pairs, int shift,
                int64_t *sums) {
#ifdef PYQKIT_VNNI
  __m512i found[TOGETHER][VECTORS];
  for (auto &output : found)
    for (auto &vector : output) vector = _mm512_setzero_si512();
  for (int pair = 0; pair < pairs; ++pair, x += PAIR) {
    __m512i mantissas[VECTORS], powers[VECTORS];  // stay in registers for all outputs
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) {
      mantissas[v] = _mm512_load_si512(x + 2 * LANES * v);
      powers[v] = _mm512_load_si512(x + 2 * PIXELS + 2 * LANES * v);
    }
#pragma GCC unroll 8
    for (int o = 0; o < TOGETHER; ++o, which += 2) {
      const __m512i row = two_rows(rows, which);
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v)
        found[o][v] =
            _mm512_dpwssd_epi32(found[o][v], _mm512_permutexvar_epi16(mantissas[v], row), powers[v]);
    }
  }
#elif defined(PYQKIT_AVX2)
  for (int o = 0; o < TOGETHER; ++o) {
    Products<VECTORS> found;
    for (int pair = 0; pair < pairs; ++pair)
      found.add(x + (int64_t)pair * PAIR, rows, which + 2 * (pair * TOGETHER + o), 2 * PIXELS);
    found.add_shifted(shift, sums + o * PIXELS);
  }
#else
  int32_t found[TOGETHER][PIXELS] = {};
  for (int pair = 0; pair < pairs; ++pair, x += PAIR)
#pragma GCC unroll 8
    for (int o = 0; o < TOGETHER; ++o, which += 2) add_products(x, rows, which, found[o]);
#endif
#ifndef PYQKIT_AVX2
#pragma GCC unroll 8
  for (int o = 0; o < TOGETHER; ++o) add_shifted(found[o], shift, sums + o * PIXELS);
#endif
}

// Those of a run of entries, for one output.
void add_run(const int16_t *x, const int16_t *rows, const Entry *entry, const Run &run, int64_t *sums) {
#ifdef PYQKIT_VNNI
  __m512i found[VECTORS];
  for (auto &vector : found) vector = _mm512_setzero_si512();
  for (const Entry *end = entry + run.entries; entry < end; ++entry) {
    const __m512i row = two_rows(rows, entry->rows);
    const int16_t *mantissas = x + entry->pair * PAIR, *powers = mantissas + 2 * PIXELS;
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v)
      found[v] = _mm512_dpwssd_epi32(
          found[v], _mm512_permutexvar_epi16(_mm512_load_si512(mantissas + 2 * LANES * v), row),
          _mm512_load_si512(powers + 2 * LANES * v));
  }
#elif defined(PYQKIT_AVX2)
  Products<VECTORS> found;
  for (const Entry *end = entry + run.entries; entry < end; ++entry)
    found.add(x + entry->pair * PAIR, rows, entry->rows, 2 * PIXELS);
  found.add_shifted(run.shift, sums);
#else
  int32_t found[PIXELS] = {};
  for (const Entry *end = entry + run.entries; entry < end; ++entry)
    add_products(x + entry->pair * PAIR, rows, entry->rows, found);
#endif
#ifndef PYQKIT_AVX2
  add_shifted(found, run.shift, sums);
#endif
}

#ifdef PYQKIT_VNNI
// Thresholds of each output as a search tree of float32, in which rounded sums are found, and as they are.
struct Trees {
  int levels = 0;
  std::vector<float> nodes;       // [output][place]: those of level l begin at 2**l
  std::vector<int64_t> sorted;    // [output][place]
  std::vector<uint8_t> codes[2];  // by steps, rising and falling

  // Whether a requantiser has them.
  static bool suits(const Requantiser *r) {
    return r && !r->multiplier && r->out_bytes == 1 && r->count < 256;
  }

  Trees(const Requantiser &r, int outputs, bool wide) {
    while (r.count >> levels) ++levels;
    levels = levels ? levels : 1;
    const int size = 1 << levels;
    nodes.resize((int64_t)outputs * size + 3 * LANES);
    sorted.resize((int64_t)outputs * (size - 1));
    for (size_t i = 0; i < sorted.size(); ++i) {
      const size_t from = r.same ? i % (size - 1) : i;
      sorted[i] = wide ? ((const int64_t *)r.by_channel)[from] : ((const int32_t *)r.by_channel)[from];
    }
    for (int o = 0; o < outputs; ++o)
      for (int level = 0; level < levels; ++level)
        for (int node = 0; node < 1 << level; ++node)
          nodes[(int64_t)o * size + (1 << level) + node] =
              (float)sorted[(int64_t)o * (size - 1) + ((2 * node + 1) << (levels - 1 - level)) - 1];
    for (int falling = 0; falling < 2; ++falling) {
      codes[falling].resize(256);
      for (int steps = 0; steps <= r.count; ++steps)
        codes[falling][steps] = (uint8_t)((const int32_t *)r.integers)[falling ? r.count - steps : steps];
    }
  }

  // Steps of sixteen sums of one output.
  void find(const int64_t *sums, int output, int32_t *steps) const {
    const float *tree = nodes.data() + ((int64_t)output << levels);
    const __m512 x = _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtepi64_ps(_mm512_loadu_si512(sums))),
                                        _mm512_cvtepi64_ps(_mm512_loadu_si512(sums + 8)), 1);
    __m512i place = _mm512_setzero_si512();
    __mmask16 equal = 0;
    for (int level = 0; level < levels; ++level) {
      const float *from = tree + (1 << level);
      __m512 node;
      if (level < 5) {
        node = _mm512_permutexvar_ps(place, _mm512_loadu_ps(from));
      } else {
        node = _mm512_permutex2var_ps(_mm512_loadu_ps(from), place, _mm512_loadu_ps(from + 16));
        for (int k = 1; k < 1 << (level - 5); ++k)
          node = _mm512_mask_mov_ps(
              node, _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(place, 5), _mm512_set1_epi32(k)),
              _mm512_permutex2var_ps(_mm512_loadu_ps(from + 32 * k), place,
                                     _mm512_loadu_ps(from + 32 * k + 16)));
      }
      equal |= _mm512_cmp_ps_mask(x, node, _CMP_EQ_OQ);
      place = _mm512_add_epi32(place, place);
      place =
          _mm512_mask_add_epi32(place, _mm512_cmp_ps_mask(x, node, _CMP_GE_OQ), place, _mm512_set1_epi32(1));
    }
    _mm512_storeu_si512(steps, place);
    if (__builtin_expect(equal, 0)) {  // rounded alike: the integers decide
      const int64_t *limits = sorted.data() + (int64_t)output * ((1 << levels) - 1);
      for (int p = 0; p < LANES; ++p)
        while (steps[p] && limits[steps[p] - 1] > sums[p]) --steps[p];
    }
  }
};

void requantise_tile(const int64_t *sums, int outputs, int pixels, const Trees &trees, const int32_t *falling,
                     uint8_t *out) {
  uint8_t found[16][PIXELS];
  for (int first = 0; first < outputs; first += 16) {
    const int n = outputs - first < 16 ? outputs - first : 16;
    for (int o = 0; o < n; ++o, sums += PIXELS) {
      int32_t steps[PIXELS];
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) trees.find(sums + v * LANES, first + o, steps + v * LANES);
      const uint8_t *codes = trees.codes[falling[first + o] != 0].data();
      for (int p = 0; p < PIXELS; ++p) found[o][p] = codes[steps[p]];
    }
    if (n == 16 && pixels == PIXELS) {
      for (int p = 0; p < PIXELS; p += 16) {
        __m128i turned[16];
        Image::turn(found[0] + p, PIXELS, turned);
        for (int i = 0; i < 16; ++i)
          _mm_storeu_si128((__m128i *)(out + (int64_t)(p + i) * outputs + first), turned[i]);
      }
    } else {
      for (int p = 0; p < pixels; ++p)
        for (int o = 0; o < n; ++o) out[(int64_t)p * outputs + first + o] = found[o][p];
    }
  }
}
#endif

// A tile of sums, [output][pixel], to `pixels` pixels from `first` on.
template <class Sum>
void requantise_tile(const int64_t *sums, int outputs, int64_t first, int pixels, const Finish &to) {
  std::vector<Sum> turned((int64_t)PIXELS * outputs);
  for (int o = 0; o < outputs; ++o)
    for (int p = 0; p < pixels; ++p) turned[(int64_t)p * outputs + o] = (Sum)sums[(int64_t)o * PIXELS + p];
  requantise(turned.data(), pixels, outputs, outputs, *to.requantiser, to.out, first);
}

void join(int64_t *sums, int outputs, int64_t first, int pixels, const Finish &to) {
  for (int p = 0; p < pixels; ++p)
    for (int o = 0; o < outputs; ++o) {
      const int64_t at = (first + p) * outputs + o;
      const int64_t other =
          to.integers ? to.integers[((const uint8_t *)to.joined)[at]] : ((const int64_t *)to.joined)[at];
      int64_t &sum = sums[(int64_t)o * PIXELS + p];
      sum = sum * to.scale[o] + other * to.factor[o];
    }
}

// The place where sums of a convolution go, tile by tile.
struct Sink {
  const Finish &to;
  int outputs;
#ifdef PYQKIT_VNNI
  std::vector<Trees> trees;  // one, or none

  Sink(const Finish &finish, int outputs) : to(finish), outputs(outputs) {
    if (Trees::suits(to.requantiser)) trees.emplace_back(*to.requantiser, outputs, to.wide);
  }
#else
  Sink(const Finish &finish, int outputs) : to(finish), outputs(outputs) {}
#endif

  void take(int64_t *sums, int64_t first, int pixels) const {
    if (to.joined) join(sums, outputs, first, pixels, to);
#ifdef PYQKIT_VNNI
    if (!trees.empty())
      return requantise_tile(sums, outputs, pixels, trees[0], to.requantiser->falling,
                             (uint8_t *)to.out + first * outputs);
#endif
    if (to.sums)
      for (int p = 0; p < pixels; ++p)
        for (int o = 0; o < outputs; ++o) to.sums[(first + p) * outputs + o] = sums[(int64_t)o * PIXELS + p];
    else if (to.wide)
      requantise_tile<int64_t>(sums, outputs, first, pixels, to);
    else
      requantise_tile<int32_t>(sums, outputs, first, pixels, to);
  }
};

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
  const int64_t area = (int64_t)w.rows * w.columns;
  const int together = (int)(area < PIXELS ? (PIXELS + area - 1) / area : 1);  // frames that fill a tile
  Image image(w, together);
  std::vector<int16_t> room((int64_t)l.groups * l.windows * l.chunk * PAIR + 32);
  int16_t *x = (int16_t *)round_up((int64_t)room.data(), 64);
  std::vector<int64_t> sums(round_up(w.outputs, TOGETHER) * PIXELS);
  const Sink sink(*finish, w.outputs);
  for (int frame = 0; frame < w.frames; frame += together) {
    const int frames = w.frames - frame < together ? w.frames - frame : together;
    image.spread(codes + (int64_t)frame * w.height * w.width * w.channels, w, frames, l);
    for (int64_t first = 0; first < frames * area; first += PIXELS) {
      const Tile tile(w, image, first, frames * area);
      std::memset(sums.data(), 0, sizeof(int64_t) * sums.size());
      const Entry *entries = l.entries;
      const Run *run = l.runs;
      const int32_t *count = l.counts;
      const uint16_t *common = l.common;
      for (int pair = 0; pair < l.pairs; pair += l.chunk) {
        const int pairs = l.pairs - pair < l.chunk ? l.pairs - pair : l.chunk;
        gather(tile, image, l, pair, pairs, x);
        for (int o = 0; o < w.outputs; o += TOGETHER, common += (int64_t)pairs * TOGETHER * 2)
          for (int part = 0; part < l.groups * l.windows; ++part)
            add_common(x + (int64_t)part * pairs * PAIR, l.rows + (int64_t)part / l.windows * l.height * 16,
                       common, pairs, l.shift + WINDOW * (part % l.windows),
                       sums.data() + (int64_t)o * PIXELS);
        for (int o = 0; o < w.outputs; ++o)
          for (const Run *end = run + *count++; run < end; entries += run++->entries)
            add_run(x, l.rows, entries, *run, sums.data() + (int64_t)o * PIXELS);
      }
      const int pixels = (int)(frames * area - first < PIXELS ? frames * area - first : PIXELS);
      const int64_t at = frame * area + first;
      sink.take(sums.data(), at, pixels);
    }
  }
}
}

}  // namespace looked_up
