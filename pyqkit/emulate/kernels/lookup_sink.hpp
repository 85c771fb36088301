// Where sums of look-ups go: see lookup.cpp.
#pragma once
#include "lookup_image.hpp"
#include "requantise.hpp"
#include "search_tree.hpp"

namespace looked_up {

// Where sums go: as they are, or with the codes of another branch added, requantised as integers of 32 or 64 bits.
struct Finish {
  int64_t *sums;
  const void *joined;       // [pixel][output] codes of the other branch, or its int64 without `integers`
  const int64_t *integers;  // by code
  const int64_t *scale, *factor;  // [output], of the sums and of the other branch
  int32_t wide;
  const Requantiser *requantiser;
  const float
      *trees;  // thresholds of each output, or of all, as nodes of search_tree.hpp; null if there are none
  void *out;
};

namespace {

#ifdef PYQKIT_VNNI
// Thresholds of each output as a search tree of float32, in which rounded sums are found.
struct Trees {
  const Finish &to;
  int levels;
  std::vector<uint8_t> codes[2];  // by steps, rising and falling

  explicit Trees(const Finish &finish) : to(finish), levels(levels_of(to.requantiser->count)) {
    const Requantiser &r = *to.requantiser;
    for (int falling = 0; falling < 2; ++falling) {
      codes[falling].resize(256);
      for (int steps = 0; steps <= r.count; ++steps)
        codes[falling][steps] = (uint8_t)((const int32_t *)r.integers)[falling ? r.count - steps : steps];
    }
  }

  int64_t limit(int64_t place) const {
    const void *limits = to.requantiser->by_channel;
    return to.wide ? ((const int64_t *)limits)[place] : ((const int32_t *)limits)[place];
  }

  // Steps of sums of one output, 16 or 64.
  template <int COUNT> void find(const int64_t *sums, int output, uint8_t *steps) const {
    const int64_t tree = to.requantiser->same ? 0 : output, limits = tree * ((1 << levels) - 1);
    float numbers[COUNT * LANES];
#pragma GCC unroll 8
    for (int half = 0; half < 2 * COUNT; ++half)
      _mm256_storeu_ps(numbers + 8 * half, _mm512_cvtepi64_ps(_mm512_loadu_si512(sums + 8 * half)));
    uint64_t equal = find_steps<COUNT>(levels, to.trees + (tree << levels), numbers, steps);
    for (; equal; equal &= equal - 1) {  // rounded alike: the integers decide
      const int p = __builtin_ctzll(equal);
      while (steps[p] && limit(limits + steps[p] - 1) > sums[p]) --steps[p];
    }
  }
};

// Outputs from channel `channel` on, of pixels `stride` bytes apart.
inline void requantise_tile(const int64_t *sums, int outputs, int pixels, const Trees &trees,
                            const int32_t *falling, int channel, int stride, uint8_t *out) {
  uint8_t steps[PIXELS], found[16][PIXELS];
  const int turning = pixels / 16 * 16;  // pixels in whole blocks
  out += channel;
  for (int first = 0; first < outputs; first += 16) {
    const int n = outputs - first < 16 ? outputs - first : 16;
    for (int o = 0; o < n; ++o, sums += PIXELS) {
      const int at = channel + first + o;
      if (pixels <= LANES)
        trees.find<1>(sums, at, steps);
      else
        trees.find<VECTORS>(sums, at, steps);
      look_up(steps, round_up(pixels, LANES), trees.codes[falling[at] != 0].data(), found[o]);
    }
    for (int p = 0; n == 16 && p < turning; p += 16) {
      __m128i turned[16];
      turn(found[0] + p, PIXELS, turned);
      for (int i = 0; i < 16; ++i)
        _mm_storeu_si128((__m128i *)(out + (int64_t)(p + i) * stride + first), turned[i]);
    }
    for (int p = n == 16 ? turning : 0; p < pixels; ++p)
      for (int o = 0; o < n; ++o) out[(int64_t)p * stride + first + o] = found[o][p];
  }
}
#endif

// Adds the other branch to sums of outputs from channel `channel` on.
inline void join(int64_t *sums, int outputs, int channel, int channels, int64_t first, int pixels,
                 const Finish &to) {
  for (int p = 0; p < pixels; ++p)
    for (int o = 0; o < outputs; ++o) {
      const int64_t at = (first + p) * channels + channel + o;
      const int64_t other =
          to.integers ? to.integers[((const uint8_t *)to.joined)[at]] : ((const int64_t *)to.joined)[at];
      int64_t &sum = sums[(int64_t)o * PIXELS + p];
      sum = sum * to.scale[channel + o] + other * to.factor[channel + o];
    }
}

// Sums of some outputs, [output][pixel], to channels of rows of pixels.
template <class To> void put(const int64_t *sums, int outputs, int pixels, int channels, To *to) {
  for (int p = 0; p < pixels; ++p)
    for (int o = 0; o < outputs; ++o) to[(int64_t)p * channels + o] = (To)sums[(int64_t)o * PIXELS + p];
}

// The place where sums of pixels go, tile by tile, between `begin` and `end`. Without trees they wait for all channels of a pixel.
struct Sink {
  const Finish &to;
  int channels;
  int64_t begun = 0;
  std::vector<int64_t> waiting;  // [pixel][channel], as what the requantiser reads
  std::vector<int32_t> waiting_short;
#ifdef PYQKIT_VNNI
  std::vector<Trees> trees;  // one, or none
#endif

  // For so many pixels at a time.
  Sink(const Finish &finish, int channels, int64_t pixels) : to(finish), channels(channels) {
#ifdef PYQKIT_VNNI
    if (to.trees) trees.emplace_back(to);
    if (!trees.empty()) return;
#endif
    if (to.requantiser && to.wide) waiting.resize(pixels * channels);
    if (to.requantiser && !to.wide) waiting_short.resize(pixels * channels);
  }

  void begin(int64_t first) { begun = first; }

  // Outputs from channel `channel` on, of a tile of pixels from `first` on.
  void take(int64_t *sums, int outputs, int channel, int64_t first, int pixels) {
    if (to.joined) join(sums, outputs, channel, channels, first, pixels, to);
#ifdef PYQKIT_VNNI
    if (!trees.empty())
      return requantise_tile(sums, outputs, pixels, trees[0], to.requantiser->falling, channel, channels,
                             (uint8_t *)to.out + first * channels);
#endif
    const int64_t waits = (first - begun) * channels + channel;
    if (to.sums)
      put(sums, outputs, pixels, channels, to.sums + first * channels + channel);
    else if (to.wide)
      put(sums, outputs, pixels, channels, waiting.data() + waits);
    else
      put(sums, outputs, pixels, channels, waiting_short.data() + waits);
  }

  // All channels of so many pixels have come.
  void end(int pixels) {
    if (!waiting.empty())
      requantise(waiting.data(), pixels, channels, channels, *to.requantiser, to.out, begun);
    if (!waiting_short.empty())
      requantise(waiting_short.data(), pixels, channels, channels, *to.requantiser, to.out, begun);
  }
};

}  // namespace

}  // namespace looked_up
