// Memory that calls of a thread use again, so that none of them waits for the system's.
#pragma once
#include <cstdint>
#include <vector>

namespace {

// At least `count` elements at a multiple of a register's length; `SLOT` tells apart what is in use at the same time.
template <class Element, int SLOT> Element *scratch(int64_t count) {
  const int64_t LINE = 64, bytes = count * (int64_t)sizeof(Element) + LINE;
  static thread_local std::vector<char> kept;
#ifdef __SANITIZE_ADDRESS__
  kept = std::vector<char>(bytes);  // exactly as long as asked for
#else
  if ((int64_t)kept.size() < bytes) kept = std::vector<char>(bytes);
#endif
  const uintptr_t from = ((uintptr_t)kept.data() + LINE - 1) / LINE * LINE;
  return (Element *)from;
}

}  // namespace
