// A program with an instruction of each kind, repeated: weights, activations and tables come over the stream, sums and words leave.
#include "array/machine.hpp"

#include <initializer_list>
#include <memory>

#include "simulation/array_machine.hpp"

typedef pyqkit::array::Machine<Small> Array;
static Array::Stream in("in", 4000), out("out", 1000);

static void send(unsigned long long word) { in.write(pyqkit::beat_of<64>(ap_uint<64>(word), false)); }

// An instruction as `fields_of` reads it.
static void instruction(int kind, std::initializer_list<int> fields) {
  unsigned long long words[WORD / 64] = {(unsigned long long)kind};
  int at = 1;
  for (int field : fields) {
    words[at / 4] |= (unsigned long long)(field & 0xffff) << (16 * (at % 4));
    ++at;
  }
  for (unsigned long long word : words) send(word);
}

int main() {
  static const int FRAMES = 3, WORDS = 2;
  instruction(Small::LOAD, {Small::PROGRAM, 2, 10});
  instruction(Small::LOAD, {Small::ACTIVATIONS, 0, WORDS});
  instruction(Small::FILL, {Small::OF_ACTIVATIONS, 0, 0, 32});
  instruction(Small::FILL, {Small::OF_WEIGHTS, 0, 0, 32});
  instruction(Small::FILL, {Small::OF_BOUNDARIES, 0, 32, 1});
  instruction(Small::FILL, {Small::OF_CODES, 0, 33, 1});
  instruction(Small::COPY, {0, 4, 0, 4});  // weights 4 to 7: word 0
  instruction(Small::RUN, {0, 0, 0, 4, 0, 0,     0, 0,     0, 0, 0, 0, 0, 0, 1, 0,
                           0, 0, 0, 0, 1, WORDS, 1, WORDS, 1, 1, 1, 1, 1, 1, 1});
  instruction(Small::POST, {0, 0, 0, 0, 1, WORDS, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 8, 3, 0});
  instruction(Small::POST, {0, 0, 0, 0, 1, WORDS, 1, 1, 0, 0, 0, 1, 10, 0, 1, 0, 0, 1, 8, 3, 0});
  instruction(Small::STORE, {10, WORDS, 1});
  instruction(Small::END, {});
  instruction(Small::LOAD, {Small::TABLES, 0, 34});
  for (int i = 0; i < 32; ++i) send(0x0706050403020100ull + 0x0808080808080808ull * i);
  send(5000);  // the boundary
  send(0x2a15);
  instruction(Small::LOAD, {Small::PARAMETERS, 0, 1});
  for (int column = 0; column < 3; ++column) send((1 + column) | 100 << 16);
  instruction(Small::REPEAT, {2, FRAMES});
  int words[FRAMES][WORDS][4];
  for (auto &frame : words)
    for (auto &word : frame) {
      unsigned long long sent = 0;
      for (int slot = 0; slot < 4; ++slot)
        sent |= (unsigned long long)(word[slot] = slot == 3 ? 0 : drawn(60)) << (8 * slot);
      send(sent);
    }
  std::unique_ptr<Array> array(new Array());
  while (!array->idle() || !in.empty()) array->step(in, out);
  CHECK_EQUAL(out.size(), FRAMES * (3 * WORDS + WORDS));
  for (int frame = 0; frame < FRAMES && !failures; ++frame) {
    long long sums[WORDS][3];
    for (int word = 0; word < WORDS; ++word)
      for (int column = 0; column < 3; ++column) {
        sums[word][column] = 0;
        for (int row = 0; row < 4; ++row)
          sums[word][column] += words[frame][word][row] * (words[frame][0][column] - 7);
        sums[word][column] = sums[word][column] * (1 + column) + 100;
        const pyqkit::Beat<8> beat = out.read();
        CHECK_EQUAL((long long)(unsigned long long)(beat.data), sums[word][column]);
        CHECK_EQUAL(beat.last, 0);
      }
    for (int word = 0; word < WORDS; ++word) {
      const pyqkit::Beat<8> beat = out.read();
      for (int column = 0; column < 3; ++column) {
        const unsigned long long code = beat.data.range(8 * column + 7, 8 * column);
        CHECK_EQUAL(code, sums[word][column] >= 5000 ? 0x2a : 0x15);
      }
      CHECK_EQUAL(beat.last, frame == FRAMES - 1 && word == WORDS - 1);
    }
  }
  return finish_bench();
}
