// Stand-in for Vitis HLS' hls_stream.h: bounded streams between processes that run as fibers on one thread.
//
// A process that reads an empty stream, or writes a full one, hands over to the next process that can go on. When none can
// and not all have finished, the design is deadlocked, and the report names the streams that everybody waits for.
#pragma once
// Blocks have a second text for this simulation; Vitis HLS compiles the text that it synthesises in its C simulation too.
#ifndef __SYNTHESIS__
#define PYQKIT_SIMULATION
#endif
#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

// longjmp itself: where _FORTIFY_SOURCE is defined, its name means one that refuses to go to another stack.
extern "C" void jump(jmp_buf place, int value) __asm__("_longjmp") __attribute__((noreturn));

struct Fiber {
  std::string name;
  std::function<void()> body;
  // Where it begins, and where it goes on: contexts keep the signal mask too, a call of the system each time.
  ucontext_t context;
  jmp_buf place;
  std::unique_ptr<char[]> stack;
  bool started = false, finished = false;
  const char *waits_for = nullptr;  // name of the stream it is blocked on
  bool reading = false;
};

class Scheduler {
 public:
  static Scheduler &instance() {
    static thread_local Scheduler scheduler;
    return scheduler;
  }

  void add(const char *name, std::function<void()> body) {
    fibers_.emplace_back(new Fiber);
    fibers_.back()->name = name;
    fibers_.back()->body = std::move(body);
  }

  // Runs every process to its end. Returns an empty string, or what the design is deadlocked on.
  std::string run() {
    const size_t STACK = 1 << 18;
    trips_.clear();  // networks of one program share the scheduler
    for (auto &fiber : fibers_) {
      fiber->stack.reset(new char[STACK]);
      getcontext(&fiber->context);
      fiber->context.uc_stack.ss_sp = fiber->stack.get();
      fiber->context.uc_stack.ss_size = STACK;
      fiber->context.uc_link = nullptr;  // `enter` never ends
      makecontext(&fiber->context, &Scheduler::enter, 0);
      ready_.push_back(fiber.get());
    }
    while (!ready_.empty()) {
      current_ = ready_.front();
      ready_.pop_front();
      enter_or_resume();
    }
    std::string report;
    for (auto &fiber : fibers_)
      if (!fiber->finished)
        report += (report.empty() ? "" : ", ") + fiber->name + " waits to " +
                  (fiber->reading ? "read the empty stream " : "write the full stream ") + fiber->waits_for;
    fibers_.clear();
    ready_.clear();
    current_ = nullptr;
    return report;
  }

  Fiber *block(const char *stream, bool reading) {
    current_->waits_for = stream;
    current_->reading = reading;
    return current_;
  }
  void leave() {
    if (_setjmp(current_->place) == 0) jump(home_, 1);
  }
  void wake(Fiber *fiber) { ready_.push_back(fiber); }
  // What the running process says of itself; a process that is called outside a network is nobody's.
  void count_trips(long long trips) {
    if (current_ != nullptr) trips_[current_->name] = trips;
  }
  // A process has made so many passes, each of the trips that it has said.
  void count_passes(long long passes) {
    if (current_ != nullptr) trips_[current_->name] *= passes;
  }
  const std::map<std::string, long long> &trips() const { return trips_; }

 private:
  // Comes back when the current process waits, or has finished.
  void enter_or_resume() {
    if (_setjmp(home_) != 0) return;
    if (current_->started) jump(current_->place, 1);
    current_->started = true;
    setcontext(&current_->context);
  }
  static void enter() {
    Scheduler &scheduler = instance();
    Fiber *self = scheduler.current_;
    self->body();
    self->finished = true;
    jump(scheduler.home_, 1);
  }
  jmp_buf home_;
  Fiber *current_ = nullptr;
  std::map<std::string, long long> trips_;  // of a frame, by process
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::deque<Fiber *> ready_;
};

}  // namespace simulation

namespace hls {

template <class T> class stream {
 public:
  explicit stream(const char *name = "stream", size_t depth = 2) : name_(name), ring_(depth) {}
  stream(const stream &) = delete;

  T read() {
    while (count_ == 0) wait(reader_, true);
    T item = ring_[first_];
    first_ = first_ + 1 == ring_.size() ? 0 : first_ + 1;
    --count_;
    wake(writer_);
    return item;
  }
  void write(const T &item) {
    while (count_ == ring_.size()) wait(writer_, false);
    size_t last = first_ + count_;
    ring_[last < ring_.size() ? last : last - ring_.size()] = item;
    ++count_;
    wake(reader_);
  }
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }

 private:
  void wait(simulation::Fiber *&slot, bool reading) {
    simulation::Scheduler &scheduler = simulation::Scheduler::instance();
    slot = scheduler.block(name_, reading);
    scheduler.leave();
  }
  void wake(simulation::Fiber *&slot) {
    if (slot == nullptr) return;
    simulation::Fiber *fiber = slot;
    slot = nullptr;
    simulation::Scheduler::instance().wake(fiber);
  }
  const char *name_;
  std::vector<T> ring_;
  size_t first_ = 0, count_ = 0;
  simulation::Fiber *reader_ = nullptr, *writer_ = nullptr;
};

}  // namespace hls
