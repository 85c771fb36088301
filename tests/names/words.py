"""Words that mean something to a language, and text that ends a comment or a string in one."""

from __future__ import annotations

_CPP = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype
default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template
this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
while xor xor_eq final override import module std main hls pyqkit simulation ap_int ap_uint int8_t uint64_t
size_t unix linux errno assert stdin stdout NULL EOF BIG_ENDIAN INT64_MIN frames run finish failure network
"""

_SYSTEMVERILOG = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind
bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config
const constraint context continue cover covergroup coverpoint cross deassign default defparam design disable
dist do edge else end endcase endclass endfunction endmodule enum event eventually expect export extends
extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0 if iff
ifnone ignore_bins import include initial inout input inside instance int integer interface intersect join
large let library local localparam logic longint macromodule matches medium modport module nand negedge
nettype new nexttime nmos nor not null or output package packed parameter pmos posedge primitive priority
program property protected pull0 pulldown pure rand randc randcase real realtime ref reg reject_on release
repeat restrict return rnmos rtran s_always s_eventually s_until scalared sequence shortint shortreal signed
small soft solve specify static string strong struct super supply0 table tagged task this throughout time
timeprecision tran tri tri0 triand trireg type typedef union unique unsigned until until_with use uwire var
vectored virtual void wait wand weak while wildcard wire with within wor xnor xor clock reset stall write read
accelerator fifo Fifo matrix_vector
"""

CPP, SYSTEMVERILOG = _CPP.split(), _SYSTEMVERILOG.split()

ODD = [
    "in_0",
    "out.0",
    "out_0",
    "in_0_block",
    "write",
    "größe",
    "層",
    "x" * 300,
    "x" * 299 + "y",
    "a-b",
    "A_b",
    "a__b",
    "1st",
    "",
    "_",
    "$c",
]

BREAKERS = [
    "\n", "\r", "\\\n", '"', "'", "*/", "/*", "//", "\\", "??/", "{", "}", "[", "]", "$", "`", "\0", "%",
    "#{x}", ";", "]]>", "</script>", "\u200f", "\u202e", "\ufeff", "ü", "層", "<b>", "&", "[bold]", "[/x]",
    "\x1b[m", "| x", "../../up", "x" * 300,
]  # fmt: skip
EVIL = "".join(BREAKERS)
