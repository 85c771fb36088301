// A grouped 8x6 matrix in int4, PE 2 and SIMD 3, against plain sums; every product shifted by a constant of its own.
#include "matrix_vector.hpp"
#include "simulation/test_bench.hpp"

static const int GROUPS = 2, OUTPUTS = 4, INPUTS = 6, PE = 2, SIMD = 3, PIXELS = 3;
static uint8_t weights[GROUPS * OUTPUTS * INPUTS];

struct Shifts {
  static int at(int index) { return index % 3; }
};

int main() {
  typedef pyqkit::Integer<4, true> Int4;
  typedef pyqkit::IntegerProduct<Int4, Int4, 8> Product;
  for (int i = 0; i < GROUPS * OUTPUTS * INPUTS; ++i) weights[i] = (i * 5 + 1) % 16;
  int codes[PIXELS * GROUPS * INPUTS], expected[PIXELS * GROUPS * OUTPUTS];
  for (int i = 0; i < PIXELS * GROUPS * INPUTS; ++i) codes[i] = (i * 11 + 2) % 16;
  for (int pixel = 0; pixel < PIXELS; ++pixel)
    for (int group = 0; group < GROUPS; ++group)
      for (int output = 0; output < OUTPUTS; ++output) {
        int sum = 0;
        for (int input = 0; input < INPUTS; ++input) {
          // order of use: [group][output fold][input fold][PE][SIMD]
          const int index = (((group * OUTPUTS / PE + output / PE) * INPUTS / SIMD + input / SIMD) * PE + output % PE) * SIMD + input % SIMD;
          sum += (int(Int4::decode(codes[(pixel * GROUPS + group) * INPUTS + input])) * int(Int4::decode(weights[index]))) << Shifts::at(index);
        }
        expected[(pixel * GROUPS + group) * OUTPUTS + output] = sum & 0xfff;
      }
  hls::stream<pyqkit::Word<ap_uint<4>, SIMD>> in("in", 1000);
  hls::stream<pyqkit::Word<ap_uint<12>, PE>> out("out", 1000);
  send<ap_uint<4>, SIMD>(in, codes, PIXELS * GROUPS * INPUTS);
  const pyqkit::Weights<Product, GROUPS * OUTPUTS * INPUTS> memory{weights};
  pyqkit::matrix_vector<Product, 12, PIXELS, GROUPS, OUTPUTS / PE, INPUTS / SIMD, PE, SIMD, SIMD, Shifts>(in, out, memory);
  expect<ap_uint<12>, PE>(out, expected, PIXELS * GROUPS * OUTPUTS);
  return finish_bench();
}
