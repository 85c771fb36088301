// Stand-in for Vitis HLS' ap_int.h: the same widths and wrap-around on native integers, for fast C simulation.
// Only what the library uses: construction, conversion and wrapping on store, up to 128 bits; signed integers of more, whole
// words of 64 bits that are not wrapped any further; and ranges of up to 64 bits of a word of any width. Arithmetic happens in the native type, so an expression that needs more bits than its operands must widen one of them first - which makes
// the same source right with AMD's headers too.
#pragma once
#include <cstdint>
#include <type_traits>

namespace native {
template <int W, bool S> struct storage {
  template <bool CONDITION, class A, class B> using either = typename std::conditional<CONDITION, A, B>::type;
  typedef either<W <= 64, int64_t, __int128> above_32;
  typedef either<W <= 8, int8_t, either<W <= 16, int16_t, either<W <= 32, int32_t, above_32>>> signed_type;
  typedef either<W <= 64, uint64_t, unsigned __int128> unsigned_above_32;
  typedef either<W <= 8, uint8_t, either<W <= 16, uint16_t, either<W <= 32, uint32_t, unsigned_above_32>>>
      unsigned_type;
  typedef typename std::conditional<S, signed_type, unsigned_type>::type type;
};

template <int W, bool S> struct integer {
  static_assert(W >= 1 && W <= 128, "1 to 128 bits");
  typedef typename storage<W, S>::type type;
  type value;

  integer() = default;
  template <class T> constexpr integer(T x) : value(wrap((type)x)) {}
  constexpr operator type() const { return value; }
  integer &operator+=(type x) { return *this = integer(type(value + x)); }
  integer &operator|=(type x) { return *this = integer(type(value | x)); }

 private:
  static constexpr int SPARE = (int)sizeof(type) * 8 - W;
  // Shifting up and down again drops the spare bits: sign extension for signed types, masking for unsigned ones.
  static constexpr type wrap(type x) {
    return SPARE == 0 ? x : type(type(typename storage<W, S>::unsigned_type(x) << SPARE) >> SPARE);
  }
};
// Signed, two's complement of WORDS words, the lowest first; what it is made of, and compared with, is widened first.
template <int WORDS> struct wide {
  uint64_t word[WORDS];

  wide() = default;
  template <class T, class = typename std::enable_if<std::is_integral<T>::value>::type> wide(T x) {
    for (int i = 0; i < WORDS; ++i) word[i] = i == 0 ? uint64_t(x) : x < 0 ? ~uint64_t(0) : 0;
  }
  template <int W, bool S> wide(integer<W, S> x) {
    typename integer<W, S>::type rest = x.value;
    const uint64_t above = rest < 0 ? ~uint64_t(0) : 0;
    for (int i = 0; i < WORDS; ++i) {
      word[i] = i * 64 < int(sizeof rest) * 8 ? uint64_t(rest) : above;
      rest = sizeof rest > 8 ? (__int128)(rest) >> 64 : 0;
    }
  }
  template <class T, class = typename std::enable_if<std::is_integral<T>::value>::type>
  explicit operator T() const {
    return T(word[0]);
  }
  bool negative() const { return word[WORDS - 1] >> 63; }

  friend wide operator+(wide a, const wide &b) {
    unsigned __int128 sum = 0;
    for (int i = 0; i < WORDS; ++i) {
      sum += (unsigned __int128)(a.word[i]) + b.word[i];
      a.word[i] = uint64_t(sum);
      sum >>= 64;
    }
    return a;
  }
  friend wide operator-(const wide &a, wide b) {
    for (int i = 0; i < WORDS; ++i) b.word[i] = ~b.word[i];
    return a + b + wide(1);
  }
  friend wide operator*(const wide &a, const wide &b) {
    wide product(0);
    for (int i = 0; i < WORDS; ++i) {
      unsigned __int128 carry = 0;
      for (int j = 0; i + j < WORDS; ++j) {
        carry += (unsigned __int128)(a.word[i]) * b.word[j] + product.word[i + j];
        product.word[i + j] = uint64_t(carry);
        carry >>= 64;
      }
    }
    return product;
  }
  friend wide operator&(wide a, const wide &b) {
    for (int i = 0; i < WORDS; ++i) a.word[i] &= b.word[i];
    return a;
  }
  friend wide operator<<(const wide &a, int bits) {
    wide moved(0);
    for (int i = bits / 64; i < WORDS; ++i) {
      moved.word[i] = a.word[i - bits / 64] << bits % 64;
      if (bits % 64 && i > bits / 64) moved.word[i] |= a.word[i - bits / 64 - 1] >> (64 - bits % 64);
    }
    return moved;
  }
  friend wide operator>>(const wide &a, int bits) {
    wide moved(a.negative() ? -1 : 0);
    const uint64_t above = moved.word[0];
    for (int i = 0; i + bits / 64 < WORDS; ++i) {
      const int from = i + bits / 64;
      moved.word[i] = a.word[from] >> bits % 64;
      if (bits % 64) moved.word[i] |= (from + 1 < WORDS ? a.word[from + 1] : above) << (64 - bits % 64);
    }
    return moved;
  }
  friend bool operator<(const wide &a, const wide &b) {
    if (a.negative() != b.negative()) return a.negative();
    for (int i = WORDS - 1; i >= 0; --i)
      if (a.word[i] != b.word[i]) return a.word[i] < b.word[i];
    return false;
  }
  friend bool operator>=(const wide &a, const wide &b) { return !(a < b); }
};
// More than 128 bits: zero, and what ranges put there.
template <int W> struct packed {
  uint64_t word[(W + 63) / 64] = {};
  packed(int = 0) {}
  uint64_t get(int low, int bits) const {
    const int at = low / 64, up = low % 64;
    uint64_t value = word[at] >> up;
    if (up + bits > 64) value |= word[at + 1] << (64 - up);
    return value & mask(bits);
  }
  void set(int low, int bits, uint64_t value) {
    const int at = low / 64, up = low % 64;
    value &= mask(bits);
    word[at] = (word[at] & ~(mask(bits) << up)) | value << up;
    if (up + bits > 64) word[at + 1] = (word[at + 1] & ~(mask(bits) >> (64 - up))) | value >> (64 - up);
  }
  static uint64_t mask(int bits) { return ~uint64_t(0) >> (64 - bits); }
};

template <class Word> struct range {
  Word &word;
  int low, bits;
  operator uint64_t() const { return word.get(low, bits); }
  range &operator=(uint64_t value) {
    word.set(low, bits, value);
    return *this;
  }
};
}  // namespace native

template <int W, bool NATIVE = (W <= 128)> struct ap_int : native::integer<W, true> {
  using native::integer<W, true>::integer;
};
template <int W> struct ap_int<W, false> : native::wide<(W + 63) / 64> {
  using native::wide<(W + 63) / 64>::wide;
  ap_int(native::wide<(W + 63) / 64> x) : native::wide<(W + 63) / 64>(x) {}
};
template <int W, bool NATIVE = (W <= 128)> struct ap_uint : native::integer<W, false> {
  using native::integer<W, false>::integer;
  typedef typename native::integer<W, false>::type type;
  native::range<ap_uint> range(int high, int low) { return {*this, low, high - low + 1}; }
  native::range<const ap_uint> range(int high, int low) const { return {*this, low, high - low + 1}; }
  uint64_t get(int low, int bits) const {
    return uint64_t(this->value >> low) & native::packed<W>::mask(bits);
  }
  void set(int low, int bits, uint64_t value) {
    const type mask = type(type(native::packed<W>::mask(bits)) << low);
    this->value = type((this->value & type(~mask)) | (type(type(value) << low) & mask));
  }
};
template <int W> struct ap_uint<W, false> : native::packed<W> {
  using native::packed<W>::packed;
  native::range<ap_uint> range(int high, int low) { return {*this, low, high - low + 1}; }
  native::range<const ap_uint> range(int high, int low) const { return {*this, low, high - low + 1}; }
};
