// Drives both streams of pqk_counters at random and counts what it should count; reads it back over AXI4-Lite.
#include <cstdio>
#include <cstdlib>

#include "Vpqk_counters.h"
#include "verilated.h"

static Vpqk_counters top;
static unsigned cycles, frames, input_stalls, output_stalls, now, beats;
static bool running;
static int failures;
static const unsigned BEATS = 3;

static void tick(bool moving) {
  top.s_in_tvalid = moving && std::rand() % 3 != 0;
  top.m_in_tready = moving && std::rand() % 3 != 0;
  top.s_out_tvalid = moving && std::rand() % 4 != 0;
  top.m_out_tready = moving && std::rand() % 3 != 0;
  top.s_in_tdata = std::rand() & 0xff;
  top.s_out_tdata = std::rand() & 0xffff;
  top.aclk = 0;
  top.eval();
  failures += top.m_in_tvalid != top.s_in_tvalid || top.s_in_tready != top.m_in_tready;
  failures += top.m_in_tdata != top.s_in_tdata || top.m_out_tdata != top.s_out_tdata;
  failures += top.m_out_tvalid != top.s_out_tvalid || top.s_out_tready != top.m_out_tready;
  const bool taken = top.s_in_tvalid && top.m_in_tready, given = top.s_out_tvalid && top.m_out_tready;
  running = running || taken;
  now += running;
  input_stalls += top.s_in_tvalid && !top.m_in_tready;
  output_stalls += top.s_out_tvalid && !top.m_out_tready;
  if (given && ++beats == BEATS) {
    beats = 0;
    ++frames;
    cycles = now;
  }
  top.aclk = 1;
  top.eval();
}

static void expect(const char *what, int offset, unsigned expected) {
  top.s_axi_araddr = offset;
  top.s_axi_arvalid = 1;
  top.s_axi_rready = 1;
  tick(false);
  top.s_axi_arvalid = 0;
  if (!top.s_axi_rvalid || top.s_axi_rdata != expected) {
    std::printf("FAILED: %s %u, expected %u\n", what, unsigned(top.s_axi_rdata), expected);
    ++failures;
  }
  tick(false);
  failures += top.s_axi_rvalid;
}

static void expect_all() {
  tick(false);  // what is seen is counted a cycle later
  tick(false);
  expect("cycles", 0x04, cycles);
  expect("frames", 0x08, frames);
  expect("input stalls", 0x0c, input_stalls);
  expect("output stalls", 0x10, output_stalls);
  expect("nothing", 0x00, 0);
}

static void write(int offset) {
  top.s_axi_awaddr = offset;
  top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_bready = 1;
  tick(false);
  top.s_axi_awvalid = top.s_axi_wvalid = 0;
  failures += !top.s_axi_bvalid;
  tick(false);
  failures += top.s_axi_bvalid;
}

int main() {
  for (int i = 0; i < 3; ++i) tick(false);
  top.aresetn = 1;
  running = false;
  now = cycles = frames = input_stalls = output_stalls = beats = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) tick(true);
    expect_all();
    write(0x08);  // does nothing
    expect_all();
    write(0x00);
    running = false;
    now = cycles = frames = input_stalls = output_stalls = beats = 0;
    expect_all();
  }
  std::printf(failures ? "FAILED: %d\n" : "passed\n", failures);
  return failures != 0;
}
