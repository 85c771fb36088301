// Words at all steps; addresses go round.
#include "array/copy.hpp"

#include "simulation/array_machine.hpp"

int main() {
  Small::Activations activations;
  Small::Weights weights;
  draw(activations);
  for (int step = 0; step < 5; ++step) {
    draw(weights);
    const Small::Weights before = weights;
    const Small::Copy copy = {50, 20, step, 30};
    pyqkit::array::copy<Small>(copy, activations, weights);
    for (int item = 0; item < 100; ++item)
      for (int column = 0; column < Small::COLUMNS; ++column) {
        const bool copied = item >= 30 && item < 50;
        const int from = (50 + (item - 30) * step) & 63;
        CHECK_EQUAL(weights.slot(item, column),
                    copied ? activations.slot(from, column) : before.slot(item, column));
      }
  }
  return finish_bench();
}
