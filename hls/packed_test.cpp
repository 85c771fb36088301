// Words to wide integers and back: lane 0 in the lowest bits, lanes that cross a machine word, widths of 7 to 1023 bits.
#include "packed.hpp"
#include "simulation/test_bench.hpp"

template <int BITS, int LANES> void check(int seed) {
  const int WORDS = 3;
  long long codes[WORDS * LANES];
  unsigned long long state = seed;
  for (int i = 0; i < WORDS * LANES; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    codes[i] = (long long)(state >> (64 - BITS));
  }
  hls::stream<pyqkit::Word<ap_uint<BITS>, LANES>> words("words", 100), back("back", 100);
  hls::stream<ap_uint<BITS * LANES>> packed("packed", 100), again("again", 100);
  send<ap_uint<BITS>, LANES>(words, codes, WORDS * LANES);
  pyqkit::to_packed<BITS, WORDS, LANES>(words, packed);
  for (int i = 0; i < WORDS; ++i) {
    const ap_uint<BITS * LANES> word = packed.read();
    for (int bit = 0; bit < BITS * LANES; ++bit) {
      const unsigned long long found = word.range(bit, bit);
      CHECK_EQUAL(found, codes[i * LANES + bit / BITS] >> bit % BITS & 1);
    }
    again.write(word);
  }
  pyqkit::from_packed<BITS, WORDS, LANES>(again, back);
  expect<ap_uint<BITS>, LANES>(back, codes, WORDS * LANES);
}

int main() {
  check<3, 3>(1);
  check<1, 7>(2);
  check<20, 3>(3);
  check<21, 6>(4);   // 126 bits, the widest that is a native integer
  check<43, 3>(5);   // 129 bits
  check<31, 33>(6);  // 1023 bits; AMD's integers end at 1024 unless told otherwise
  check<63, 5>(7);
  return finish_bench();
}
