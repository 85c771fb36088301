// A whole array: memories, and what comes from the stream and from the program memory, an instruction a call. Instructions are executed
// one after the other, so nothing has to wait for anything.
//
// M says what the machine consists of; pyqkit/array/hls.py writes it:
//   ROWS, COLUMNS, STREAM, WORD, SERVED, PROCESSORS, MULTIPLIER, OFFSET, LANE, ADDRESS
//   Load, Repeat, Fill, Run, Post, Store, Copy      instructions: of(word), and their fields
//   END, REPEAT, LOAD, ..., PROGRAM, TABLES, ...    numbers of instructions and memories
//   Family, mode(index), lane_bits(index)
//   Program, Tables, Parameters, Weights, Activations, Accumulators, Boundaries, Codes
#pragma once
#include "array/copy.hpp"
#include "array/load.hpp"
#include "array/post.hpp"
#include "array/raw.hpp"
#include "array/run.hpp"
#include "array/store.hpp"

namespace pyqkit {
namespace array {

template <class M> struct Machine {
  typedef hls::stream<Beat<M::STREAM / 8>> Stream;
  typedef ap_uint<M::WORD> Word;
  Items<1, M::WORD, M::STREAM> head;  // the instruction that comes over the stream
  typename M::Program program;
  typename M::Tables tables;
  typename M::Parameters parameters;
  typename M::Weights weights;
  typename M::Activations activations;
  typename M::Family family;
  typename M::Accumulators accumulators;
  typename M::Boundaries boundaries;
  typename M::Codes codes;
  int first = 0, at = 0, left = 0;  // of the program, and its repetitions that are left

  bool idle() const {
#pragma HLS INLINE
    return left == 0;
  }

  void step(Stream &in, Stream &out) {
#pragma HLS INLINE off
    if (idle()) {
      load<M::STREAM>(in, 0, 1, head);
      const Word word = head.item(0);
      if (kind(word) == M::LOAD) {
        take(M::Load::of(word), in);
      } else if (kind(word) == M::REPEAT) {
        const typename M::Repeat repeat = M::Repeat::of(word);
        first = at = repeat.first;
        left = repeat.count;
      }
    } else {
      const Word word = program.item(at);
      execute(word, in, out);
      const bool ends = kind(word) == M::END;
      at = ends ? first : at + 1;
      if (ends) --left;
    }
  }

 private:
  static int kind(const Word &word) {
#pragma HLS INLINE
    return int(ap_uint<M::KIND>(word.range(M::KIND - 1, 0)));
  }

  void execute(const Word &word, Stream &in, Stream &out) {
#pragma HLS INLINE
    switch (kind(word)) {
      case M::LOAD:
        take(M::Load::of(word), in);
        break;
      case M::FILL:
        set(M::Fill::of(word));
        break;
      case M::RUN:
        run<M>(M::Run::of(word), activations, weights, family, accumulators);
        break;
      case M::POST:
        give(M::Post::of(word), out);
        break;
      case M::STORE:
        give(M::Store::of(word), out);
        break;
      case M::COPY:
        copy<M>(M::Copy::of(word), activations, weights);
        break;
      default:
        break;
    }
  }

  void take(const typename M::Load &fields, Stream &in) {
#pragma HLS INLINE
    const int address = fields.address, count = fields.count;
    switch (int(fields.memory)) {
      case M::PROGRAM:
        load<M::STREAM>(in, address, count, program);
        break;
      case M::TABLES:
        load<M::STREAM>(in, address, count, tables);
        break;
      case M::PARAMETERS:
        load<M::STREAM>(in, address, count, parameters);
        break;
      case M::WEIGHTS:
        load<M::STREAM>(in, address, count, weights);
        break;
      case M::ACTIVATIONS:
        load<M::STREAM>(in, address, count, activations);
        break;
      default:
        break;
    }
  }

  void set(const typename M::Fill &fields) {
#pragma HLS INLINE
    const int address = fields.address, count = fields.count;
    switch (int(fields.table)) {
      case M::OF_ACTIVATIONS:
        fill(tables, address, count, family.tables[0][int(fields.choice)]);
        break;
      case M::OF_WEIGHTS:
        fill(tables, address, count, family.tables[1][int(fields.choice)]);
        break;
      case M::OF_BOUNDARIES:
        fill(tables, address, count, boundaries);
        break;
      case M::OF_CODES:
        fill(tables, address, count, codes);
        break;
      default:
        break;
    }
  }

  void give(const typename M::Post &fields, Stream &out) {
#pragma HLS INLINE
    if (fields.raw)
      raw<M>(fields, accumulators, parameters, fields.last && left == 1, out);
    else
      post<M>(fields, accumulators, parameters, boundaries, codes, activations);
  }

  void give(const typename M::Store &fields, Stream &out) {
#pragma HLS INLINE
    store<M::STREAM>(activations, int(fields.address), int(fields.count), fields.last && left == 1, out);
  }
};

}  // namespace array
}  // namespace pyqkit
