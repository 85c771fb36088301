// As much of AMD's header as generated text uses, for a look at its syntax.
#pragma once

namespace hls {
template <class T> struct stream {
  stream(const char * = "") {}
  T read() { return T(); }
  void write(const T &) {}
};
}  // namespace hls
