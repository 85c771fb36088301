// POST: sums of a bank, scaled, added up over the terms of a result, and searched among boundaries; codes go to the activations.
#pragma once
#include "array/fill.hpp"
#include "array/memory.hpp"

namespace pyqkit {
namespace array {

// Terms within lanes within positions, and where they are.
template <class Post> struct Steps {
  Post post;
  int term, lane, x, y, position, at, parameter;  // at: the accumulator
  explicit Steps(const Post &fields) : post(fields) {
#pragma HLS INLINE
    term = lane = x = y = 0;
    position = at = fields.accumulator;
    parameter = fields.parameters;
  }
  int trips(int of_a_term) const {
#pragma HLS INLINE
    return int(post.rows) * int(post.columns) * int(post.lanes) * int(post.terms) * of_a_term;
  }
  bool first() const {
#pragma HLS INLINE
    return term == 0;
  }
  bool last() const {
#pragma HLS INLINE
    return term == int(post.terms) - 1;
  }
  bool lane_ends() const {
#pragma HLS INLINE
    return lane == int(post.lanes) - 1;
  }
  bool row_ends() const {
#pragma HLS INLINE
    return x == int(post.columns) - 1;
  }
  bool ends() const {
#pragma HLS INLINE
    return last() && lane_ends() && row_ends() && y == int(post.rows) - 1;
  }
  void step() {
#pragma HLS INLINE
    const bool result_ends = last(), position_ends = last() && lane_ends();
    if (result_ends || !post.maximum) ++parameter;
    if (position_ends) {
      parameter = post.parameters;
      ++position;
      if (row_ends()) ++y;
      x = row_ends() ? 0 : x + 1;
    }
    at = result_ends ? position : at + int(post.pitch);
    if (result_ends) lane = lane_ends() ? 0 : lane + 1;
    term = result_ends ? 0 : term + 1;
  }
  // The first position again, after the other columns of a lane: for who takes them one by one.
  void again() {
#pragma HLS INLINE
    term = 0;
    at = position;
    if (!post.maximum) parameter = parameter - int(post.terms) + 1;
  }
};

// A lane of a column times its multiplier plus its offset.
template <class M>
ap_int<M::OFFSET> scaled(const typename M::Accumulators &accumulators, const typename M::Post &post,
                         const ap_uint<M::Parameters::PARTS * M::STREAM> &parameters, int at, int lane,
                         int column) {
#pragma HLS INLINE
  static constexpr int BITS = M::MULTIPLIER + M::OFFSET;
  const int low = column * BITS;
  const ap_int<M::LANE> x = accumulators.sum(int(post.bank), at, column, lane);
  const ap_uint<M::MULTIPLIER> m = parameters.range(low + M::MULTIPLIER - 1, low);
  const ap_uint<M::OFFSET> o = parameters.range(low + BITS - 1, low + M::MULTIPLIER);
  typedef ap_int<M::LANE + M::MULTIPLIER> Product;
  const Product product = Product(x) * Product(ap_int<M::MULTIPLIER>(m));
  return ap_int<M::OFFSET>(ap_uint<M::OFFSET>(ap_uint<M::OFFSET>(product) + o));
}

// Where codes of a position go: word, plane and slot of its first column in each lane.
template <class Post, int ROWS, int COLUMNS, int ADDRESS> struct Targets {
  typedef ap_uint<ADDRESS> Address;
  Post post;
  Address row_address, address, word;
  int slot, plane, left;  // channels that are left for this lane and the ones behind
  explicit Targets(const Post &fields) : post(fields) {
#pragma HLS INLINE
    row_address = address = fields.base;
    begin();
  }
  // Column `column` of this lane: whether it lies a plane further.
  bool wraps(int column) const {
#pragma HLS INLINE
    return slot + column >= ROWS;
  }
  int plane_above() const {
#pragma HLS INLINE
    return plane + 1 == int(post.planes) ? 0 : plane + 1;
  }
  Address word_above() const {
#pragma HLS INLINE
    return plane + 1 == int(post.planes) ? Address(word + Address(1)) : word;
  }
  void step(bool lane_ends, bool row_ends) {
#pragma HLS INLINE
    if (lane_ends) {
      row_address = row_ends ? Address(row_address + post.step_row) : row_address;
      address = row_ends ? row_address : Address(address + post.step_column);
      begin();
    } else {
      const bool over = wraps(COLUMNS);
      if (over) word = word_above();
      if (over) plane = plane_above();
      slot = over ? slot + COLUMNS - ROWS : slot + COLUMNS;
      left -= COLUMNS;
    }
  }

 private:
  void begin() {
#pragma HLS INLINE
    word = address;
    slot = post.slot, plane = post.plane, left = post.channels;
  }
};

// A processor serves SERVED columns, one a trip.
template <class M>
void post(const typename M::Post &fields, const typename M::Accumulators &accumulators,
          const typename M::Parameters &parameters, const typename M::Boundaries &boundaries,
          const typename M::Codes &codes, typename M::Activations &activations) {
  static constexpr int ROWS = M::ROWS, COLUMNS = M::COLUMNS, SERVED = M::SERVED, PROCESSORS = M::PROCESSORS;
  Steps<typename M::Post> steps(fields);
  Targets<typename M::Post, ROWS, COLUMNS, M::ADDRESS> targets(fields);
  const int TRIPS = steps.trips(SERVED);
  PYQKIT_TRIPS(TRIPS);
  ap_int<M::OFFSET> totals[PROCESSORS][SERVED];
#pragma HLS ARRAY_PARTITION variable = totals complete
  int largest[PROCESSORS][SERVED];
#pragma HLS ARRAY_PARTITION variable = largest complete
  Counter<SERVED> phase;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
#pragma HLS DEPENDENCE variable = activations inter false
    const ap_uint<M::Parameters::PARTS * M::STREAM> both = parameters.item(steps.parameter);
    int found[PROCESSORS];
#pragma HLS ARRAY_PARTITION variable = found complete
    for (int processor = 0; processor < PROCESSORS; ++processor) {
#pragma HLS UNROLL
      const int column = processor * SERVED + int(phase.at);
      const ap_int<M::OFFSET> once = column < COLUMNS
                                         ? scaled<M>(accumulators, fields, both, steps.at, steps.lane, column)
                                         : ap_int<M::OFFSET>(0);
      const ap_uint<M::OFFSET> before =
          steps.first() || fields.maximum ? ap_int<M::OFFSET>(0) : totals[processor][phase.at];
      const ap_int<M::OFFSET> total =
          ap_int<M::OFFSET>(ap_uint<M::OFFSET>(before + ap_uint<M::OFFSET>(once)));
      totals[processor][phase.at] = total;
      const int place = boundaries.passed(processor, total, int(fields.stages));
      const bool alone = steps.first() || !fields.maximum || place > largest[processor][phase.at];
      if (alone) largest[processor][phase.at] = place;
      found[processor] = int(codes.codes[processor][largest[processor][phase.at]]);
    }
    if (steps.last()) {
      bool here = false, above = false;  // which words codes go to
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        for (int processor = 0; processor < PROCESSORS; ++processor) {
#pragma HLS UNROLL
          const int column = processor * SERVED + int(phase.at);
          const bool over = targets.wraps(column);
          const int place = over ? targets.slot + column - ROWS : targets.slot + column;
          if (column < COLUMNS && column < targets.left && place == row) {
            const int plane = over ? targets.plane_above() : targets.plane;
            const int word = over ? int(targets.word_above()) : int(targets.word);
            here = here || !over;
            above = above || over;
            activations.put_code(word, row, plane * int(fields.code_bits), int(fields.code_bits),
                                 found[processor]);
          }
        }
      }
      if (here) activations.unshift(int(targets.word));
      if (above) activations.unshift(int(targets.word_above()));
    }
    if (phase.step()) {
      if (steps.last()) targets.step(steps.lane_ends(), steps.row_ends());
      steps.step();
    }
  }
}

}  // namespace array
}  // namespace pyqkit
