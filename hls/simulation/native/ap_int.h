// Stand-in for Vitis HLS' ap_int.h: the same widths and wrap-around on native integers, for fast C simulation.
// Only what the library uses: construction, conversion and wrapping on store, up to 128 bits. Arithmetic happens in the
// native type, so an expression that needs more bits than its operands must widen one of them first - which makes
// the same source right with AMD's headers too.
#pragma once
#include <cstdint>
#include <type_traits>

namespace native {
template <int W, bool S> struct storage {
  typedef typename std::conditional<
      W <= 8, int8_t,
      typename std::conditional<W <= 16, int16_t,
                                typename std::conditional<W <= 32, int32_t, typename std::conditional<W <= 64, int64_t, __int128>::type>::type>::type>::type
      signed_type;
  typedef typename std::conditional<
      W <= 8, uint8_t,
      typename std::conditional<W <= 16, uint16_t,
                                typename std::conditional<W <= 32, uint32_t, typename std::conditional<W <= 64, uint64_t, unsigned __int128>::type>::type>::type>::type
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
  static constexpr type wrap(type x) { return SPARE == 0 ? x : type(type(typename storage<W, S>::unsigned_type(x) << SPARE) >> SPARE); }
};
}  // namespace native

template <int W> struct ap_int : native::integer<W, true> {
  using native::integer<W, true>::integer;
};
template <int W> struct ap_uint : native::integer<W, false> {
  using native::integer<W, false>::integer;
};
