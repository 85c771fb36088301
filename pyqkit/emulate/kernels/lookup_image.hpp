// Activations of look-ups: see lookup.cpp.
#pragma once
#include <algorithm>
#include <vector>

#include "vector.hpp"
#include "window.hpp"
#ifdef PYQKIT_AVX2
#include "lookup_avx2.hpp"
#endif

namespace looked_up {

const int TOGETHER = 4;  // outputs

// Rows that a few outputs choose for a pair, which is counted from the first of a chunk.
struct Four {
  uint16_t pair, rows[TOGETHER][2];
};

struct Entry {
  uint16_t pair, rows[2], unused;  // of activations, counted from the first of the block; one row each
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
  const Four *common;    // rows of the weights that have the common shift, [block][four outputs][pair]
  const Entry *entries;  // of all others
  const Run *runs;
  const int32_t *counts;                         // of runs, [block][output]
  int32_t windows, groups, height, zero, shift;  // groups of mantissas, rows of each
  int32_t pairs, chunk, block;  // of a window; whose sum fits 32 bits; that are made at a time, some chunks

  int parts() const { return groups * windows; }
};

namespace {

const int VECTORS = 4, PIXELS = VECTORS * LANES;  // of a tile, whose sums stay in registers

const int PAIR =
    2 * PIXELS * 2;     // of one chunk of a tile: [group][window][pair][mantissas, powers][vector][pixel][2]
const int WINDOW = 15;  // powers of two that are int16
const int POWERS = 64;  // with both signs, and zero

// Tables of a kernel as its products read them: in AVX2 bytes apart, which are kept as long as this is.
struct Readable {
#ifdef PYQKIT_AVX2
  std::vector<int16_t> rows, powers;

  template <class Tables>
  explicit Readable(Tables &tables)
      : rows(bytes_apart(tables.rows, (int64_t)tables.groups * tables.height * 16, 16)),
        powers(bytes_apart(tables.powers, (int64_t)tables.windows * POWERS, POWERS)) {
    tables.rows = rows.data(), tables.powers = powers.data();
  }
#else
  template <class Tables> explicit Readable(Tables &) {}
#endif
};

inline int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// Entries of a table of 256, by bytes.
inline void look_up(const uint8_t *codes, int64_t count, const uint8_t *table, uint8_t *to) {
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

#if defined(PYQKIT_VNNI) || defined(PYQKIT_AVX2)
// Sixteen rows of sixteen bytes, rows and columns exchanged: four perfect shuffles.
inline void turn(const uint8_t *from, int64_t stride, __m128i *x) {
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
      if (w.stride_w == 1 &&
          (w.height == 1 ||
           (w.channels % 16 == 0 && (w.width % 16 == 0 || (w.width == 8 && w.height % 2 == 0))))) {
        const int pixels = w.height * w.width / 16 * 16, channels = w.channels / 16 * 16;
        spread_blocks(w, pixels, channels, words.data() + f * frame);
        spread_elements(w, 0, pixels, channels, words.data() + f * frame);
        spread_elements(w, pixels, w.height * w.width, 0, words.data() + f * frame);
        continue;
      }
#endif
      spread_elements(w, 0, w.height * w.width, 0, words.data() + f * frame);
    }
  }

  // Channels from one on, of some pixels.
  void spread_elements(const Window &w, int pixel, int end, int first, uint16_t *to) {
    const int64_t apart = row / w.stride_w;
    for (; first < w.channels && pixel < end; ++pixel) {
      const int column = pixel % w.width + w.left;
      uint16_t *at = to + (pixel / w.width + w.top) * row + column % w.stride_w * apart + column / w.stride_w;
      const int64_t from = (int64_t)pixel * w.channels;
      for (int c = first; c < w.channels; ++c)
        at[c * channel] = (uint16_t)(mantissas[from + c] + 256 * powers[from + c]);
    }
  }

#if defined(PYQKIT_VNNI) || defined(PYQKIT_AVX2)
  // The first pixels and channels, sixteen at a time.
  void spread_blocks(const Window &w, int pixels, int channels, uint16_t *to) {
    for (int pixel = 0; pixel < pixels; pixel += 16) {
      uint16_t *at = to + (pixel / w.width + w.top) * row + pixel % w.width + w.left;
      for (int first = 0; first < channels; first += 16) {
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
#endif
};

// Where the pixels of a tile lie in an image, for the first element of the window.
struct Tile {
  int64_t places[PIXELS];
  int step;  // pixels that lie one after the other in every group of as many

  Tile(const Window &w, const Image &image, int64_t first, int64_t pixels) {
    const bool inside = first + PIXELS <= pixels;
    // behind the end of a single row lies what nobody uses
    step = pixels == w.columns || (inside && w.columns % 16 == 0) ? 16 : inside && w.columns % 8 == 0 ? 8 : 1;
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
inline void split(const uint16_t *first, const uint16_t *second, int group, const int16_t *powers,
                  int16_t *to) {
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

// Mantissas and powers of some pairs, of the first pixels of a tile.
inline void gather(const Tile &tile, const Image &image, const Lookup &l, int first, int pairs, int pixels,
                   int16_t *x) {
  uint16_t room[2][LANES];
  for (int pair = 0; pair < pairs; ++pair)
    for (int v = 0; v * LANES < pixels; ++v) {
      const uint16_t *from[2];
      for (int side = 0; side < 2; ++side)
        from[side] = tile.words(image.words.data() + l.places[2 * (first + pair) + side], v, room[side]);
      int16_t *to = x + (int64_t)pair * PAIR + v * 2 * LANES;
      for (int group = 0; group < l.groups; ++group)
        for (int window = 0; window < l.windows; ++window, to += (int64_t)pairs * PAIR)
          split(from[0], from[1], group, l.powers + POWERS * window, to);
    }
}

}  // namespace

}  // namespace looked_up
