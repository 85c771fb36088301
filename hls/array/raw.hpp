// POST with `raw`: scaled sums to the stream, one a word, of every column that is kept of every lane of every position.
#pragma once
#include "array/post.hpp"
#include "axi_stream.hpp"

namespace pyqkit {
namespace array {

template <class M>
void raw(const typename M::Post &fields, const typename M::Accumulators &accumulators,
         const typename M::Parameters &parameters, bool ends, hls::stream<Beat<M::STREAM / 8>> &out) {
  static constexpr int COLUMNS = M::COLUMNS;
  Steps<typename M::Post> steps(fields);
  const int TRIPS = steps.trips(COLUMNS);
  PYQKIT_TRIPS(TRIPS);
  Counter<COLUMNS> column;
  int left = fields.channels;
  ap_int<M::OFFSET> total = 0;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    const ap_uint<M::Parameters::PARTS * M::STREAM> both = parameters.item(steps.parameter);
    const ap_int<M::OFFSET> once = scaled<M>(accumulators, fields, both, steps.at, steps.lane, column.at);
    const ap_int<M::OFFSET> before = steps.first() ? ap_int<M::OFFSET>(0) : total;
    total = ap_int<M::OFFSET>(ap_uint<M::OFFSET>(ap_uint<M::OFFSET>(before) + ap_uint<M::OFFSET>(once)));
    if (steps.last() && int(column.at) < left) {
      const bool final_word = steps.ends() && (column.last() || int(column.at) == left - 1);
      out.write(beat_of<M::STREAM>(ap_uint<M::STREAM>(ap_int<M::STREAM>(total)), ends && final_word));
    }
    if (!steps.last()) {
      steps.step();
    } else if (column.step()) {
      left = steps.lane_ends() ? int(fields.channels) : left - COLUMNS;
      steps.step();
    } else {
      steps.again();
    }
  }
}

}  // namespace array
}  // namespace pyqkit
