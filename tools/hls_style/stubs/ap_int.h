// As much of AMD's header as the library's syntax needs.
#pragma once
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;

template <int W> struct ap_int {
  ap_int();
  ap_int(long long);
  operator long long() const;
};
template <int W> struct ap_uint {
  ap_uint();
  ap_uint(long long);
  operator long long() const;
};
