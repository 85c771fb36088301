#pragma once
template <int D, int U, int I, int T> struct ap_axiu {
  ap_uint<D> data, keep, strb;
  ap_uint<1> last;
};
