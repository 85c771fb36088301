// A machine of the array in Verilator: words to its stream, words and cycles back, with stalls at random. A word that is offered stays
// until it is taken; a transfer has ended when all words are taken and the machine has been idle for a while.
#include <cstdint>
#include <cstring>

#include "Vnetwork.h"

double sc_time_stamp() { return 0; }

static const int IDLE = 64;  // cycles after which nothing comes any more
static const int64_t PATIENCE =
    10000000;  // cycles without a word that a machine is waited for: a frame of many layers

struct Model {
  Vnetwork top;
  uint64_t state = 1;

  Model() {
    top.reset = 1;
    for (int i = 0; i < 4; ++i) tick();
    top.reset = 0;
  }
  void tick() {
    top.clock = 0, top.eval();
    top.clock = 1, top.eval();
  }
  bool chance(unsigned of_256) {
    if (of_256 == 0) return false;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33 & 255) < of_256;
  }
};

// Stalls, and what was counted.
struct Transfer {
  int64_t in_stalls, out_stalls, seed;
  int64_t given, marks, cycles, idle;
};

extern "C" Model *make() { return new Model(); }
extern "C" void drop(Model *model) { delete model; }

extern "C" void transfer(Model *model, const uint8_t *words, int64_t count, uint8_t *given, uint8_t *lasts,
                         int64_t room, uint64_t *marks, int64_t marks_room, Transfer *how) {
  Vnetwork &top = model->top;
  const size_t bytes = sizeof top.in_tdata;
  model->state = how->seed;
  how->given = how->marks = 0;
  int64_t at = 0, ended = 0, still = 0, cycle = 0;
  bool offers = false;
  for (; still < IDLE && cycle - ended < PATIENCE && how->given < room; ++cycle) {
    offers = at < count && (offers || !model->chance(how->in_stalls));
    top.in_tvalid = offers;
    top.in_tlast = at + 1 == count;
    if (at < count) std::memcpy(&top.in_tdata, words + at * bytes, bytes);
    top.out_tready = !model->chance(how->out_stalls);
    top.clock = 0, top.eval();
    if (top.mark && how->marks < marks_room) marks[how->marks++] = cycle;
    const bool taken = offers && top.in_tready;
    if (top.out_tvalid && top.out_tready) {
      std::memcpy(given + how->given * bytes, &top.out_tdata, bytes);
      lasts[how->given++] = top.out_tlast;
      ended = cycle;
    }
    const bool idle = top.idle && !top.out_tvalid && at == count;
    if (!idle)
      still = 0;
    else if (!still++)
      ended = cycle;
    top.clock = 1, top.eval();
    at += taken;
    offers = offers && !taken;
    if (taken) ended = cycle;
  }
  how->cycles = ended;
  how->idle = still >= IDLE;
}
