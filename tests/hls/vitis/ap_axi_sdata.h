// As much of AMD's header as generated text uses, for a look at its syntax.
#pragma once
#include "ap_int.h"

template <int DATA, int USER, int ID, int DEST> struct ap_axiu {
  ap_uint<DATA> data;
  ap_uint<DATA / 8> keep, strb;
  ap_uint<1> last;
};
