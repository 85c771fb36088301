// Outputs that stand side by side in the weights.
#pragma once

namespace {

const int LANES = 16;

}  // namespace
