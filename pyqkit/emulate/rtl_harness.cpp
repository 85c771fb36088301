// Drives a verilated network from Python: feeds and drains its streams, stalls them at random, counts cycles, finds deadlocks.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <unistd.h>
#include <vector>

#include "Vnetwork.h"
#include "verilated.h"
#ifdef PYQKIT_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#endif
#ifdef PYQKIT_SAIF
#include "verilated_saif_c.h"
using Trace = VerilatedSaifC;
#endif

namespace {

// TDATA has as many bits as its C++ type, 8 to 256, and bytes in the order of this computer's memory.
template <class T> void set_data(T &data, const uint8_t *bytes) { std::memcpy(&data, bytes, sizeof data); }
template <class T> void get_data(const T &data, uint8_t *bytes) { std::memcpy(bytes, &data, sizeof data); }

}  // namespace

#include "ports.hpp"  // FIFOS, IN_BEATS, IN_BYTES, OUT_BEATS, OUT_BYTES, and functions that reach port i

namespace {

// Bit vectors of any width, 32 bits at a time.
template <class T>
typename std::enable_if<std::is_integral<T>::value, uint32_t>::type word(const T &value, int k) {
  return uint32_t(uint64_t(value) >> (32 * k));
}
template <std::size_t N> uint32_t word(const VlWide<N> &value, int k) { return value[k]; }
template <class T>
typename std::enable_if<std::is_integral<T>::value>::type set_word(T &value, int k, uint32_t bits) {
  value = k ? T(uint64_t(value) | uint64_t(bits) << 32) : T(bits);
}
template <std::size_t N> void set_word(VlWide<N> &value, int k, uint32_t bits) { value[k] = bits; }

const uint8_t NOTHING[32] = {};

struct Random {
  uint64_t state;
  uint64_t next() {  // xorshift64*
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
  }
};

struct Simulation {
  VerilatedContext context;
  std::unique_ptr<Vnetwork> model;
#ifdef VM_TRACE
  std::unique_ptr<Trace> trace;
#endif
  uint8_t **buffers;
  int64_t frames, patience, ticks = 0, cycle = 0, quiet = 0;  // ticks count from the reset on
  int64_t *first,
      *ends;  // cycle of the first beat of each frame at any input; of its last beat at each output
  Random random;
  uint32_t stall_rate;  // of 256
  bool offered[INPUTS] = {};
  std::vector<bool> packet_ends;  // with a frame: packets have 1, 2, 3, ... frames
  std::vector<int64_t> fed = std::vector<int64_t>(INPUTS), drained = std::vector<int64_t>(OUTPUTS);
  std::string failure;

  void step() {
    model->clock = 1;
    model->eval();
#ifdef PYQKIT_FST  // activity is counted once a cycle, when all has settled
    if (trace) trace->dump(uint64_t(10 * ticks + 5));
#endif
    model->clock = 0;
    ++ticks;
  }

  void settle() {
    model->eval();
#ifdef VM_TRACE
    if (trace) trace->dump(uint64_t(10 * ticks));
#endif
  }

  bool stalled() { return stall_rate && (random.next() >> 56) < stall_rate; }

  void stall_fifos() {
    for (int k = 0; 32 * k < FIFOS; ++k) {
      uint32_t bits = 0;
      for (int i = 0; i < 32; i += 8) {
        const uint64_t bytes = random.next();
        for (int j = 0; j < 8; ++j) bits |= uint32_t(uint8_t(bytes >> (8 * j)) < stall_rate) << (i + j);
      }
      const int left = FIFOS - 32 * k;
      set_word(model->stall, k, left < 32 ? bits & ((1u << left) - 1) : bits);
    }
  }

  bool anything_moves() const {
    for (int k = 0; 32 * k < FIFOS; ++k) {
      if (word(model->write_valid, k) & word(model->write_ready, k)) return true;
      if (word(model->read_valid, k) & word(model->read_ready, k)) return true;
    }
    return false;
  }

  void set_packets() {
    for (int64_t length = 1; int64_t(packet_ends.size()) < frames; ++length) {
      packet_ends.resize(packet_ends.size() + size_t(length));
      packet_ends.back() = true;
    }
    packet_ends[size_t(frames - 1)] = true;
  }

  bool ends_packet(int64_t beat, int64_t beats) const {
    return beat % beats == beats - 1 && packet_ends[size_t(beat / beats)];
  }

  // Valid, once shown, must stay until it is taken; so a stalled stream offers nothing new but withdraws nothing.
  void one_cycle() {
    for (int i = 0; i < INPUTS; ++i) {
      offered[i] = offered[i] || (fed[i] < frames * IN_BEATS[i] && !stalled());
      const bool last = offered[i] && ends_packet(fed[i], IN_BEATS[i]);
      set_input(*model, i, offered[i], last, offered[i] ? buffers[i] + fed[i] * IN_BYTES[i] : NOTHING);
    }
    for (int i = 0; i < OUTPUTS; ++i) set_ready(*model, i, drained[i] < frames * OUT_BEATS[i] && !stalled());
    if (stall_rate) stall_fifos();
    settle();
    bool moves = anything_moves();
    for (int i = 0; i < INPUTS; ++i) {
      if (!offered[i] || !input_ready(*model, i)) continue;
      const int64_t frame = fed[i] / IN_BEATS[i];
      if (fed[i] % IN_BEATS[i] == 0 && first[frame] < 0) first[frame] = cycle;
      ++fed[i];
      offered[i] = false;
      moves = true;
    }
    for (int i = 0; i < OUTPUTS; ++i) {
      if (!output_valid(*model, i) || !output_ready(*model, i)) continue;
      output_data(*model, i, buffers[INPUTS + i] + drained[i] * OUT_BYTES[i]);
      const bool last = ends_packet(drained[i], OUT_BEATS[i]);
      const int64_t frame = drained[i] / OUT_BEATS[i];
      const bool complete = ++drained[i] % OUT_BEATS[i] == 0;
      if (complete) ends[i * frames + frame] = cycle;
      if (last != output_last(*model, i))
        failure = "TLAST is not on the last beat of a packet of out_" + std::to_string(i);
      moves = true;
    }
    quiet = moves ? 0 : quiet + 1;
    step();
    if (context.gotError())
      failure = "in cycle " + std::to_string(cycle) + ", where the assertion above does not hold";
    ++cycle;
  }

  int64_t frames_done() const {
    int64_t done = frames;
    for (int i = 0; i < OUTPUTS; ++i) done = std::min(done, drained[i] / OUT_BEATS[i]);
    return done;
  }

  // Without stalls, which look like full streams. A full FIFO behind a fork is offered nothing: the fork waits for all its readers.
  void describe_deadlock() {
    const int64_t stopped = cycle - quiet;
    for (int k = 0; 32 * k < FIFOS; ++k) set_word(model->stall, k, 0);
    for (int i = 0; i < 4; ++i) settle(), step();
    settle();
    std::string full, waiting;
    for (int i = 0; i < FIFOS; ++i) {
      const uint32_t bit = 1u << (i % 32);
      if (~word(model->write_ready, i / 32) & bit)
        full += (full.empty() ? "" : ", ") + std::string(FIFO_NAMES[i]);
      if (~word(model->read_valid, i / 32) & word(model->read_ready, i / 32) & bit)
        waiting += (waiting.empty() ? "" : ", ") + std::string(FIFO_NAMES[i]);
    }
    failure = "in cycle " + std::to_string(stopped) + "; full: " + (full.empty() ? "none" : full) +
              "; empty with a reader that waits: " + (waiting.empty() ? "none" : waiting);
  }
};

}  // namespace

extern "C" {

// Starts a run. `folder` holds the tables of constants; buffers are those of all inputs, then of all outputs.
// Returns null if there is no such folder.
void *start(const char *folder, uint8_t **buffers, int64_t frames, int64_t *first, int64_t *ends,
            int64_t patience, int stall_rate, uint64_t seed, const char *trace) {
  char before[4096];
  if (!getcwd(before, sizeof before) || chdir(folder) != 0) return nullptr;
  auto simulation = std::make_unique<Simulation>();
  Simulation &s = *simulation;
  s.buffers = buffers, s.frames = frames, s.first = first, s.ends = ends, s.patience = patience;
  s.set_packets();
  s.stall_rate = uint32_t(stall_rate), s.random.state = seed * 2 + 1;
#ifdef VM_TRACE
  s.context.traceEverOn(true);
#endif
  s.context.fatalOnError(false);  // what an assertion prints ends the run, not the process
  s.model.reset(new Vnetwork(&s.context));
  s.model->clock = 0;
  s.model->reset = 1;
  s.model->eval();  // $readmemh looks for tables in the working folder
  if (chdir(before) != 0) return nullptr;
#ifdef VM_TRACE
  s.trace.reset(new Trace);
  s.model->trace(s.trace.get(), 99);
  s.trace->open(trace);
#else
  (void)trace;
#endif
  for (int i = 0; i < INPUTS; ++i) set_input(*s.model, i, false, false, NOTHING);
  for (int i = 0; i < OUTPUTS; ++i) set_ready(*s.model, i, false);
  for (int k = 0; 32 * k < FIFOS; ++k) set_word(s.model->stall, k, 0);
  for (int i = 0; i < 4; ++i) s.settle(), s.step();
  s.model->reset = 0;
  return simulation.release();
}

// Goes on for at most `cycles`; 0: not done, 1: done, 2: deadlocked or wrong, and `message` says how.
int advance(void *simulation, int64_t cycles, int64_t *frames_done, char *message, int size) {
  Simulation &s = *static_cast<Simulation *>(simulation);
  int status = 0;
  for (int64_t i = 0; i < cycles && status == 0; ++i) {
    s.one_cycle();
    if (s.quiet >= s.patience) s.describe_deadlock();
    if (!s.failure.empty())
      status = 2;
    else if (s.frames_done() == s.frames)
      status = 1;
  }
  *frames_done = s.frames_done();
  std::snprintf(message, size_t(size), "%s", s.failure.c_str());
  return status;
}

void finish(void *simulation) {
  Simulation *s = static_cast<Simulation *>(simulation);
#ifdef VM_TRACE
  if (s->trace) s->trace->close();
#endif
  delete s;
}
}
