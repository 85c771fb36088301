// An array with its counters behind the ports that Vivado packages: words in, words out, then registers over AXI4-Lite.
// simulation IN OUT COUNT: words of IN go in, COUNT words that came go to OUT; registers are printed, then every record.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "VTOP.h"
double sc_time_stamp() { return 0; }
static VTOP top;
static void tick() {
  top.aclk = 0, top.eval();
  top.aclk = 1, top.eval();
}
static uint32_t read(unsigned address) {
  top.s_axi_araddr = address, top.s_axi_arvalid = 1, top.s_axi_rready = 1;
  for (bool taken = false; !taken;) {
    top.aclk = 0, top.eval();
    taken = top.s_axi_arready;
    top.aclk = 1, top.eval();
  }
  top.s_axi_arvalid = 0;
  top.aclk = 0, top.eval();
  while (!top.s_axi_rvalid) tick(), top.aclk = 0, top.eval();
  const uint32_t value = top.s_axi_rdata;
  tick();
  return value;
}
static void clear() {
  top.s_axi_awaddr = 0, top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_bready = 1;
  tick();
  top.s_axi_awvalid = top.s_axi_wvalid = 0;
  tick(), tick();
}
int main(int, char **argv) {
  std::vector<uint64_t> words(1 << 20), found;
  std::FILE *file = std::fopen(argv[1], "rb");
  words.resize(std::fread(words.data(), 8, words.size(), file));
  std::fclose(file);
  const size_t wanted = std::atoi(argv[3]);
  for (int i = 0; i < 4; i++) tick();
  top.aresetn = 1;
  clear();
  size_t at = 0;
  for (int cycle = 0; cycle < 1000000 && found.size() < wanted; cycle++) {
    top.s_axis_0_tvalid = at < words.size(), top.s_axis_0_tdata = at < words.size() ? words[at] : 0;
    top.m_axis_0_tready = 1;
    top.aclk = 0, top.eval();
    const bool taken = top.s_axis_0_tvalid && top.s_axis_0_tready;
    if (top.m_axis_0_tvalid) found.push_back(top.m_axis_0_tdata);
    top.aclk = 1, top.eval();
    at += taken;
  }
  for (int i = 0; i < 100; i++) tick();
  file = std::fopen(argv[2], "wb");
  std::fwrite(found.data(), 8, found.size(), file);
  std::fclose(file);
  const uint32_t marks = read(0);
  std::printf("%u %u %u\n", marks, read(8), read(12));
  for (uint32_t i = 0; i < marks; i++)
    for (unsigned place = 0; place < 12; place += 4)
      std::printf("%u%c", read(0x1000 + 16 * i + place), place < 8 ? ' ' : '\n');
  clear();
  std::printf("%u\n", read(0));
}
