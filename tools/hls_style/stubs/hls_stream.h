#pragma once
namespace hls {
template <class T> struct stream {
  T read();
  void write(const T &);
};
}  // namespace hls
