// COPY: words of the activations become weights, the first slots of each an item.
#pragma once
#include "array/memory.hpp"

namespace pyqkit {
namespace array {

template <class M>
void copy(const typename M::Copy &fields, const typename M::Activations &activations,
          typename M::Weights &weights) {
  const int TRIPS = M::Weights::trips(int(fields.count));
  PYQKIT_TRIPS(TRIPS);
  ap_uint<M::ADDRESS> address = fields.address;
  int item = fields.weights;
  Counter<M::Weights::PARTS> part;
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
    weights.put(item, part.at, activations.word(int(address), part.at));
    if (part.step()) {
      ++item;
      address = address + fields.step;
    }
  }
}

}  // namespace array
}  // namespace pyqkit
