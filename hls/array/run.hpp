// RUN: words of activations times tiles of weights, a word a trip unless rows wait for each other, added up in accumulators.
#pragma once
#include "array/memory.hpp"
#include "array/tile.hpp"
#include "array/walk.hpp"

namespace pyqkit {
namespace array {

// M is the machine (array/machine.hpp). A place is added to again after a tile's span, which lasts for ROWS trips at least.
template <class M>
void run(const typename M::Run &fields, const typename M::Activations &activations,
         const typename M::Weights &weights, typename M::Family &family,
         typename M::Accumulators &accumulators) {
  static constexpr int ROWS = M::ROWS, COLUMNS = M::COLUMNS;
  typedef typename M::Family Family;
  Walk<typename M::Run, ROWS, M::ADDRESS> walk(fields);
  const int TRIPS = walk.trips();
  PYQKIT_TRIPS(TRIPS);
  Tile<Family, ROWS, COLUMNS> tile;
  const int lane_bits = M::lane_bits(int(fields.mode));
  family.choose(M::mode(int(fields.mode)), fields);
  for (int trip = 0; trip < TRIPS; ++trip) {
#pragma HLS PIPELINE II = 1 style = flp
#pragma HLS DEPENDENCE variable = accumulators inter false
    bool served = true;
    if (walk.multiplies()) {
      typename Family::Number numbers[ROWS];
#pragma HLS ARRAY_PARTITION variable = numbers complete
      const bool inside = walk.inside();
      for (int row = 0; row < ROWS; ++row) {
#pragma HLS UNROLL
        numbers[row] = family.number(inside ? activations.slot(int(walk.address), row)
                                            : M::Activations::padded(ap_uint<8>(fields.pad)));
      }
      served = tile.serve(family, numbers);
      for (int column = 0; column < COLUMNS; ++column) {
#pragma HLS UNROLL
        Exact<Family::SUM> sums[Family::LANES];
#pragma HLS ARRAY_PARTITION variable = sums complete
        tile.multiply(family, numbers, column, sums);
        for (int lane = 0; lane < Family::LANES; ++lane) {
#pragma HLS UNROLL
          if (served) {
            accumulators.add(int(fields.bank), walk.place, column, lane, walk.replace, sums[lane], lane_bits);
          }
        }
      }
    }
    if (served && walk.loads()) {
      for (int column = 0; column < COLUMNS; ++column) {
#pragma HLS UNROLL
        tile.load(walk.row, column, family.weight(weights.slot(walk.weight, column)));
      }
    }
    if (served) {
      if (walk.tile_ends()) tile.swap();
      walk.step();
    } else {
      --trip;  // it goes on when all rows have been served
    }
  }
}

}  // namespace array
}  // namespace pyqkit
