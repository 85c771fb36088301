// As much of AMD's header as generated text uses in C simulation: streams without a bound, of one process after another.
#pragma once
#include <cassert>
#include <deque>

namespace hls {
template <class T> struct stream {
  explicit stream(const char * = "") {}
  T read() {
    assert(!words.empty());
    const T word = words.front();
    words.pop_front();
    return word;
  }
  void write(const T &word) { words.push_back(word); }
  std::deque<T> words;
};
}  // namespace hls
